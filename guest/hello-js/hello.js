// The smallest useful handler in JavaScript: `Hello from /path?query`, as `hello` does in Rust.
//
// Claim: a component that carries a whole engine is served like any other.

addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

function handle(request) {
  const { pathname, search } = new URL(request.url);
  return new Response(`Hello from ${pathname}${search}\n`, {
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  });
}
