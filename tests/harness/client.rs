//! A client over real sockets: whole requests for most tests, bare bytes for the others.

use super::SOON;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    /// What arrived, which is less than was promised if [`Self::broken`].
    pub body: Vec<u8>,
    /// Whether the connection broke before the body's end.
    pub broken: bool,
    pub took: Duration,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("(not text)"))
    }

    /// Asserts an answer of the host's own, whole in every part.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, reason: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["reason"], reason);
        let proxy_status = self.header("proxy-status");
        assert!(proxy_status.starts_with("wasm-host; error="), "{proxy_status}");
        assert!(proxy_status.ends_with(&format!("details=\"{reason}\"")), "{proxy_status}");
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        self
    }

    /// Asserts a whole answer of the guest's.
    #[track_caller]
    pub fn assert_ok(&self) -> &Self {
        assert_eq!((self.status, self.broken), (200, false), "{self:?}: {}", self.text());
        self
    }
}

/// Sends requests to one host, each on a connection of its own.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The host's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[], Some(body)).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Sends one request; a body has its length declared. An error means that no head came.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(SOON))
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        request = request.header("connection", "close");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let began = Instant::now();
        let request = request.body(body.unwrap_or_default()).map_err(|error| error.to_string())?;
        let response = agent.run(request).map_err(|error| error.to_string())?;
        let (head, mut reader) = response.into_parts();
        let mut received = Vec::new();
        let broken = reader.as_reader().read_to_end(&mut received).is_err();
        let (status, headers, took) = (head.status.as_u16(), head.headers, began.elapsed());
        Ok(Answer { status, headers, body: received, broken, took })
    }

    /// Sends a GET from a thread of its own.
    pub fn get_later(&self, path: &str) -> JoinHandle<Result<Answer, String>> {
        let (client, path) = (*self, path.to_owned());
        std::thread::spawn(move || client.send("GET", &path, &[], None))
    }

    /// Opens a connection for bare bytes, with a bound on every read and write.
    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the host accepts");
        stream.set_read_timeout(Some(SOON)).expect("a socket option");
        stream.set_write_timeout(Some(SOON)).expect("a socket option");
        stream
    }

    /// Sends bare bytes and returns what comes back until the host closes.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The host may refuse and close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}
