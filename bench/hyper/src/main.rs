//! The machine's limit: hyper on tokio as the host has it, with a function in the place of guests. It
//! answers `Hello from PATH`, and says where it listens as the host does.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};

fn main() -> io::Result<()> {
    let runtime = Builder::new_multi_thread().enable_io().build()?;
    runtime.block_on(serve(runtime.handle()))
}

async fn serve(runtime: &Handle) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stderr(), "Serving HTTP on http://{}/", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(hello));
        runtime.spawn(connection);
    }
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut response = Response::new(Full::from(format!("Hello from {target}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}
