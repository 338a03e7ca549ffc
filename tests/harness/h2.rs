//! An HTTP/2 client: whole requests over the h2 library, many at once on one connection.

use super::{Answer, Client, SOON};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::Request;
use std::future::Future;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// A client's end of one HTTP/2 connection.
pub struct H2 {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
    authority: String,
    scheme: &'static str,
}

/// A request that was sent; its body may follow.
pub struct Sent {
    pub answer: ResponseFuture,
    pub body: SendStream<Bytes>,
    began: Instant,
}

impl H2 {
    /// Connects with prior knowledge, and with windows that never make the host wait.
    #[track_caller]
    pub fn open(client: &Client) -> Self {
        Self::open_with(client, 1 << 30)
    }

    /// Connects with prior knowledge; each stream's window is `window` bytes until its body is read.
    #[track_caller]
    pub fn open_with(client: &Client, window: u32) -> Self {
        let address = client.address();
        let connect = async move { TcpStream::connect(address).await.expect("the host accepts") };
        Self::over(connect, address.to_string(), "http", window)
    }

    /// Speaks over whatever `connect` connects to.
    #[track_caller]
    pub fn over<S>(
        connect: impl Future<Output = S>,
        authority: String,
        scheme: &'static str,
        window: u32,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime of the test's own");
        let (requests, connection) = runtime.block_on(async {
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(window).initial_connection_window_size(1 << 30);
            let handshake = builder.handshake(connect.await);
            tokio::time::timeout(SOON, handshake).await.expect("in time").expect("an HTTP/2 connection")
        });
        let connection = runtime.handle().spawn(connection);
        Self { runtime, requests, connection, authority, scheme }
    }

    /// The head of a request to this host.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let uri = format!("{}://{}{path}", self.scheme, self.authority);
        Request::builder().method(method).uri(uri)
    }

    /// Sends a head, once there is room for a stream.
    #[track_caller]
    pub fn start(&mut self, request: http::request::Builder, ends: bool) -> Sent {
        let request = request.body(()).expect("a request");
        let mut requests = self.requests.clone();
        let sent = self.wait(async move {
            requests = requests.ready().await?;
            requests.send_request(request, ends)
        });
        let (answer, body) = sent.expect("the connection is open");
        Sent { answer, body, began: Instant::now() }
    }

    /// Sends a GET and reads its answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        let sent = self.start(self.request("GET", path), true);
        self.answer(sent).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Sends a POST with its body and reads the answer.
    #[track_caller]
    pub fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        let mut sent = self.start(self.request("POST", path), false);
        sent.body.send_data(Bytes::copy_from_slice(body), true).expect("an open stream");
        self.answer(sent).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Reads an answer to its end. An error means that no head came.
    #[track_caller]
    pub fn answer(&self, sent: Sent) -> Result<Answer, h2::Error> {
        self.whole_answer(sent).map(|(answer, _)| answer)
    }

    /// The same, with the reason of the reset that broke it off, if one did.
    #[track_caller]
    pub fn whole_answer(&self, sent: Sent) -> Result<(Answer, Option<Reason>), h2::Error> {
        let Sent { answer, body: _body, began } = sent;
        self.wait(async move {
            let (head, mut stream) = answer.await?.into_parts();
            let mut body = Vec::new();
            let broken = read(&mut stream, &mut body).await.err();
            let answer = Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
                broken: broken.is_some(),
                took: began.elapsed(),
            };
            Ok((answer, broken.and_then(|error| error.reason())))
        })
    }

    /// Waits for the host to end the connection; returns how it said so.
    #[track_caller]
    pub fn closed(self) -> Result<(), h2::Error> {
        // Without a handle for more requests the library would close by itself.
        let Self { runtime, requests: _requests, connection, .. } = self;
        let ended = runtime.block_on(async { tokio::time::timeout(SOON, connection).await });
        ended.expect("the connection ends in time").expect("connection task")
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.connection.is_finished()
    }

    /// Runs `future` on this client's runtime, with a generous bound.
    #[track_caller]
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(SOON, future).await }).expect("in time")
    }
}

async fn read(stream: &mut RecvStream, body: &mut Vec<u8>) -> Result<(), h2::Error> {
    while let Some(data) = stream.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    Ok(())
}
