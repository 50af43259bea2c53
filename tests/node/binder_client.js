// BinderHub's own client against a launcher: prints its events as lines of JSON.
// node binder_client.js <launcher's address> <provider/spec>

// The client is made for browsers; these are all that it needs of one.
globalThis.window = globalThis;
globalThis.document = { cookie: "", hidden: false, addEventListener() {}, removeEventListener() {} };

// Where a build fails the client throws this to nobody: a browser goes on, Node would end.
process.on("unhandledRejection", (error) => {
  if (error?.constructor?.name !== "EventStreamClose") throw error;
});

const { BinderRepository } = await import("@jupyterhub/binderhub-client/client.js");
const [host, spec] = process.argv.slice(2);
const image = new BinderRepository(spec, new URL("/build/", host));
for await (const event of image.fetch()) {
  console.log(JSON.stringify(event));
  if (event.phase === "ready" || event.phase === "failed") {
    const where = event.url && image.getFullRedirectURL?.(event.url, event.token, "lab");
    if (where) console.log(JSON.stringify({ phase: "redirect", url: String(where) }));
    image.close();
    break;
  }
}
