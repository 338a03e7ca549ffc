// What the guest `mixed` does, as a worker: /spin loops forever, anything else is answered at once.
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/spin") for (;;);
    return new Response(pathname === "/health" ? "ok\n" : "hello\n");
  },
};
