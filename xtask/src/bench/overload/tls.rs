//! Clients that speak TLS: as many hellos as they get, on connections that last for a few, while anything
//! may happen to the host's certificate.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rcgen::generate_simple_self_signed;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::bench::exchange::HELLO;
use crate::bench::response::{Parsed, parse};

/// How many ask at a time.
const CLIENTS: usize = 8;
/// How many requests a connection lasts for.
const REQUESTS_PER_CONNECTION: usize = 20;
/// The longest that a client waits for anything.
const IO_BOUND: Duration = Duration::from_secs(5);

/// A certificate for this machine, which vouches for itself, and its key.
pub(super) struct Pair {
    pub(super) cert_pem: String,
    pub(super) key_pem: String,
    cert: CertificateDer<'static>,
}

/// What came of the requests.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) connections: usize,
    pub(super) answered: usize,
    /// What did not get its answer, in the clients' words.
    pub(super) failures: Vec<String>,
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

impl Pair {
    /// A new one.
    ///
    /// # Errors
    ///
    /// Where no key can be made.
    pub(super) fn new() -> Result<Self> {
        let made = generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
        Ok(Self {
            cert_pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
            cert: made.cert.der().clone(),
        })
    }
}

/// What clients trust: all of `pairs`, and nothing else.
///
/// # Errors
///
/// Where one of them is no certificate.
pub(super) fn trust(pairs: &[Pair]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.cert.clone()).context("trusting a certificate")?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("choosing versions of TLS")?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Whether a new connection is shown this certificate.
pub(super) fn shows(address: SocketAddr, config: &Arc<ClientConfig>, pair: &Pair) -> bool {
    let Ok(secured) = connect(address, config) else { return false };
    secured.conn.peer_certificates().is_some_and(|chain| chain.first() == Some(&pair.cert))
}

/// Asks for as long as `task` takes.
///
/// # Errors
///
/// Those of `task`.
pub(super) fn ask_beside<T>(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    task: impl FnOnce() -> Result<T>,
) -> Result<(Asked, T)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, config, &over))).collect();
        let done = task();
        over.store(true, Ordering::Relaxed);
        let mut all = Asked::default();
        for client in clients {
            let asked = client.join().map_err(|_| anyhow!("a client panicked"))?;
            all.connections += asked.connections;
            all.answered += asked.answered;
            all.failures.extend(asked.failures);
        }
        Ok((all, done?))
    })
}

fn ask(address: SocketAddr, config: &Arc<ClientConfig>, over: &AtomicBool) -> Asked {
    let mut asked = Asked::default();
    while !over.load(Ordering::Relaxed) {
        asked.connections += 1;
        let connected = connect(address, config);
        let mut secured = match connected {
            Ok(secured) => secured,
            Err(error) => {
                asked.failures.push(format!("connecting: {error}"));
                continue;
            }
        };
        for _ in 0..REQUESTS_PER_CONNECTION {
            match hello(&mut secured) {
                Ok(()) => asked.answered += 1,
                Err(error) => {
                    asked.failures.push(format!("asking: {error}"));
                    break;
                }
            }
        }
    }
    asked
}

fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Secured> {
    let socket = TcpStream::connect_timeout(&address, IO_BOUND)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(IO_BOUND))?;
    socket.set_write_timeout(Some(IO_BOUND))?;
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut secured = StreamOwned::new(connection, socket);
    while secured.conn.is_handshaking() {
        secured.conn.complete_io(&mut secured.sock)?;
    }
    Ok(secured)
}

fn hello(secured: &mut Secured) -> io::Result<()> {
    secured.write_all(HELLO)?;
    let begun_at = Instant::now();
    let mut response = Vec::with_capacity(512);
    let mut chunk = [0; 2048];
    while begun_at.elapsed() < IO_BOUND {
        let length = secured.read(&mut chunk)?;
        response.extend_from_slice(&chunk[..length]);
        match parse(&response) {
            Parsed::Whole { status: 200, .. } => return Ok(()),
            Parsed::Whole { status, .. } => return Err(io::Error::other(format!("status {status}"))),
            Parsed::Partial if length > 0 => {}
            Parsed::Partial | Parsed::Malformed => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
