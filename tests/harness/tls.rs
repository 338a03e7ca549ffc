//! Certificates made for a test, and a client that trusts exactly them.

use super::Client;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Pair {
    /// One for 127.0.0.1 that vouches for itself.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// Writes both into `directory`, as a host is told to find them.
    pub fn write(&self, directory: &Path) {
        std::fs::write(directory.join("key.pem"), &self.key).expect("a temporary directory");
        std::fs::write(directory.join("cert.pem"), &self.cert).expect("a temporary directory");
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("a certificate")
    }
}

/// An authority that vouches for clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub cert: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests' authority");
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), cert }
    }

    /// A certificate for a client.
    pub fn client(&self) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["client.example".to_owned()]).expect("a name");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// What a client brings to its handshakes.
#[derive(Clone, Debug, Default)]
pub struct Hello<'a> {
    /// Protocols it offers, if any.
    pub protocols: &'a [&'a str],
    /// The certificate that it shows.
    pub own: Option<&'a Pair>,
    /// Whether it knows nothing newer than TLS 1.2.
    pub old: bool,
}

impl Hello<'_> {
    /// A configuration that trusts `server` alone.
    pub fn config(&self, server: &Pair) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(server.der()).expect("a certificate");
        let versions: &[_] = if self.old { &[&TLS12] } else { &[&TLS13, &TLS12] };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("suites for both versions")
            .with_root_certificates(roots);
        let mut config = match self.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![own.der()], key).expect("a pair")
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Shakes hands to the end.
    pub fn connect(
        &self,
        client: &Client,
        server: &Pair,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let connection = ClientConnection::new(self.config(server), name()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, client.connect());
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

/// The name that [`Pair::new`] is for.
pub fn name() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").expect("an address")
}
