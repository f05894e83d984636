// Asks the SDKs for Node, as they are published, for the variants of users: one JSON object a line comes in, one goes out.
//   node ask.js URL [local|streaming|remote|openfeature]...

const { LocalEvaluationClient, RemoteEvaluationClient } = require("@amplitude/experiment-node-server");
const { OFREPProvider } = require("@openfeature/ofrep-provider");
const { OpenFeature } = require("@openfeature/server-sdk");
const readline = require("node:readline");

const KEY = "web";
const keysOf = (variants) =>
  Object.fromEntries(Object.entries(variants).map(([flag, variant]) => [flag, variant.key]));

const cohorts = (url) => ({ apiKey: "any", secretKey: "any", cohortServerUrl: url });

async function evaluating(options) {
  const client = new LocalEvaluationClient(KEY, options);
  await client.start();
  return { ask: async (user) => keysOf(client.evaluateV2(user)), stop: () => client.stop() };
}

const CLIENTS = {
  local: (url) => evaluating({ serverUrl: url, cohortSyncConfig: cohorts(url) }),
  streaming: (url) =>
    evaluating({ serverUrl: url, streamServerUrl: url, streamUpdates: true, cohortSyncConfig: cohorts(url) }),
  remote: async (url) => {
    const client = new RemoteEvaluationClient(KEY, { serverUrl: url });
    return { ask: async (user) => keysOf(await client.fetchV2(user)), stop: () => {} };
  },
  openfeature: async (url) => {
    await OpenFeature.setProviderAndWait(
      new OFREPProvider({ baseUrl: url, headers: [["Authorization", `Bearer ${KEY}`]] }),
    );
    const client = OpenFeature.getClient();
    return {
      ask: async ({ user_id, user_properties, ...rest }, flags) => {
        const context = { targetingKey: user_id, ...rest, ...user_properties };
        const found = {};
        for (const flag of flags) found[flag] = await client.getStringValue(flag, "no answer", context);
        return found;
      },
      stop: () => OpenFeature.close(),
    };
  },
};

async function main([url, ...names]) {
  const clients = {};
  for (const name of names) clients[name] = await CLIENTS[name](url);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { user, flags } = JSON.parse(line);
    const answers = {};
    for (const [name, client] of Object.entries(clients)) answers[name] = await client.ask({ ...user }, flags);
    console.log(JSON.stringify(answers));
  }
  for (const client of Object.values(clients)) await client.stop();
}

main(process.argv.slice(2)).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
