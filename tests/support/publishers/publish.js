// `node publish.js forms` prints the messages that the official SDK makes of known events;
// `node publish.js http TIME URL KEY` and `node publish.js amqp TIME URL` send events as its users would, and print what came of it.
const { CloudEvent, HTTP, Kafka, Mode, emitterFor, httpTransport } = require("cloudevents");

const DATA = { workflow: "device_pickup", status: "created" };
const KNOWN = { id: "e-1", source: "/js", type: "order.status_changed", time: "2026-03-02T06:30:00.000Z" };
const JSON_TYPES = { "no type said": undefined, json: "application/json", "of one's own": "application/vnd.orders+json" };

// The bindings whose messages reach us, also over bridges, with each way to say the data's type, an extension, and data that is already bytes or text.
function forms() {
  const found = {};
  for (const [called, datacontenttype] of Object.entries(JSON_TYPES)) {
    const event = new CloudEvent({ ...KNOWN, subject: "JS-1", datacontenttype, region: "eu", data: DATA });
    for (const [name, binding] of Object.entries({ http: HTTP, kafka: Kafka })) {
      for (const mode of ["binary", "structured"]) {
        const message = binding[mode](event);
        const { headers, body = message.value } = message;
        found[`${name}, ${mode}, ${called}`] = { headers, body: typeof body === "string" ? body : JSON.stringify(body) };
      }
    }
  }
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(DATA)));
  const packed = HTTP.structured(new CloudEvent({ ...KNOWN, subject: "JS-1", data: bytes }));
  found["http, structured, data of bytes"] = { headers: packed.headers, body: packed.body };
  return found;
}

async function overHttp(time, url, key) {
  const results = {};
  const send = httpTransport(url);
  for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
    const emit = emitterFor(send, { binding: HTTP, mode });
    const event = new CloudEvent({ source: "/js", type: KNOWN.type, time, subject: `JS-HTTP-${mode}`, data: DATA });
    const answer = await emit(event, { headers: { authorization: `Bearer ${key}` } });
    results[mode] = JSON.parse(answer.body).results;
  }
  const events = [1, 2].map((n) =>
    new CloudEvent({ source: "/js", type: KNOWN.type, time, subject: `JS-B-${n}`, data: DATA }));
  const answer = await fetch(url, {
    method: "POST", body: JSON.stringify(events),
    headers: { "content-type": "application/cloudevents-batch+json", authorization: `Bearer ${key}` },
  });
  results.batch = (await answer.json()).results;
  return results;
}

async function overAmqp(time, url) {
  const connection = await require("amqplib").connect(url);
  const channel = await connection.createConfirmChannel();
  const sent = [];
  const send = (name, body, options, prefix = "") => {
    sent.push(name);
    const headers = Object.fromEntries(Object.entries(options.headers ?? {}).map(([k, v]) => [prefix + k, v]));
    channel.publish("orders", `order.${name}`, Buffer.from(body), { ...options, headers });
  };
  const event = (name) => new CloudEvent({ source: "/js", type: KNOWN.type, time, subject: `JS-${name}`, data: DATA });
  const bare = (message) => {
    const { "content-type": contentType, ...headers } = message.headers;
    const named = Object.entries(headers).map(([k, v]) => [k.replace(/^ce[-_]/, ""), v]);
    return [message.body, contentType, Object.fromEntries(named)];
  };
  const structured = HTTP.structured(event("structured"));
  send("structured", structured.body, { contentType: structured.headers["content-type"] });
  send("unnamed", HTTP.structured(event("unnamed")).body, {});
  for (const [name, prefix] of [["colon", "cloudEvents:"], ["underscore", "cloudEvents_"], ["http", "ce-"], ["kafka", "ce_"]]) {
    const [body, contentType, headers] = bare(HTTP.binary(event(name)));
    send(name, body, { contentType, headers, persistent: true }, prefix);
  }
  const now = Date.parse(time);
  const times = {
    milliseconds: now, timestamp: { "!": "timestamp", value: Math.floor(now / 1000) },
    "timestamp-in-milliseconds": { "!": "timestamp", value: now }, float: now / 1000,
  };
  for (const [name, time] of Object.entries(times)) {
    const [body, , headers] = bare(HTTP.binary(event(name)));
    const odd = { nothing: null, yes: true, small: 7, list: [1], table: { a: 1 } };
    send(name, body, { headers: { ...headers, ...odd, time } }, "cloudEvents:");
  }
  const [body, contentType, headers] = bare(HTTP.binary(event("properties")));
  send("properties", body, {
    contentType, contentEncoding: "utf-8", headers, deliveryMode: true, priority: 3, expiration: "600000",
    correlationId: "c", replyTo: "r", messageId: "m", timestamp: now, type: "t", userId: "guest", appId: "a",
  }, "cloudEvents:");
  await channel.waitForConfirms();
  await connection.close();
  return sent;
}

const [what, ...rest] = process.argv.slice(2);
Promise.resolve({ forms, http: overHttp, amqp: overAmqp }[what](...rest)).then((said) => console.log(JSON.stringify(said, null, 1)));
