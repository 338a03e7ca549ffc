// What the guest `hello` does, as a worker.
export default {
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    return new Response(`Hello from ${pathname}${search}\n`);
  },
};
