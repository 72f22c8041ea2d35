// What a program with Cloudflare's own SDK does with the simulator; test_sdk.py runs it with the URL, account and token
// as one JSON argument and reads the JSON it prints: what came of each step, an error as {status, codes, messages}.
'use strict';

const { Cloudflare } = require('cloudflare');
const given = JSON.parse(process.argv[2]);
const account_id = given.account;

function client(apiToken) {
  return new Cloudflare({ apiToken, baseURL: given.rest, maxRetries: 0, timeout: 10000 });
}

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

async function attempt(call) {
  try {
    return await call();
  } catch (e) {
    if (e.status === undefined) throw e;
    return { status: e.status, codes: e.errors.map((x) => x.code), messages: e.errors.map((x) => x.message) };
  }
}

async function readPrefixes(api) {
  const parents = [];
  for (const parent of await all(api.prefixes.list({ account_id }))) {
    const one = await api.prefixes.get(parent.id, { account_id });
    const bgp = await all(api.prefixes.bgpPrefixes.list(parent.id, { account_id }));
    const again = [];
    for (const b of bgp) again.push(await api.prefixes.bgpPrefixes.get(b.id, { account_id, prefix_id: parent.id }));
    parents.push({ parent, one, bgp, again });
  }
  return parents;
}

async function changePrefixes(api, parents) {
  const advertise = (where, advertised) => attempt(() => api.prefixes.bgpPrefixes.edit(
    where.bgp[0].id, { account_id, prefix_id: where.parent.id, on_demand: { advertised } }));
  const [first, second] = parents;
  return {
    advertised: await advertise(first, true),
    same: await advertise(first, true),
    soon: await advertise(first, false),
    locked: await advertise(second, true),
    described: await api.prefixes.edit(first.parent.id, { account_id, description: 'by the SDK' }),
    unknown: await attempt(() => api.prefixes.get('0'.repeat(32), { account_id })),
  };
}

async function readOthers(cf) {
  return {
    verified: await cf.user.tokens.verify(),
    ranges: await cf.ips.list(),
    gre: await cf.magicTransit.greTunnels.list({ account_id }),
    ipsec: await cf.magicTransit.ipsecTunnels.list({ account_id }),
    rules: await all(cf.magicNetworkMonitoring.rules.list({ account_id })),
    policies: await all(cf.alerting.policies.list({ account_id })),
    destinations: await all(cf.alerting.destinations.webhooks.list({ account_id })),
    history: await all(cf.alerting.history.list({ account_id, per_page: 10 })),
  };
}

async function main() {
  const cf = client(given.token);
  const prefixes = await readPrefixes(cf.addressing);
  console.log(JSON.stringify({
    prefixes,
    changed: await changePrefixes(cf.addressing, prefixes),
    others: await readOthers(cf),
    refused: await attempt(() => all(client('x'.repeat(40)).addressing.prefixes.list({ account_id }))),
  }));
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
