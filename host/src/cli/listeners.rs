//! Where the host can be reached: the sockets it makes, and those that a service manager passes to it
//! (`LISTEN_FDS`, sd_listen_fds(3)).

use super::exit::Failure;
use crate::config::{AdminListen, Config, ListenAt};
use crate::net::Listener;
use anyhow::{Context, anyhow};
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use tokio::runtime::Runtime;

/// Sockets that may be passed; more is a mistake of whoever passes them.
const PASSED_MAX: usize = 64;

/// Sockets that were passed to this process.
pub(super) struct Passed(Vec<PassedSocket>);

enum PassedSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Passed {
    /// Takes the sockets that were passed, and unsets `LISTEN_FDS` and `LISTEN_PID`. To be called while
    /// there is one thread, since another may be reading the environment.
    pub(super) fn take() -> Result<Self, Failure> {
        let var = |name| std::env::var(name).unwrap_or_default();
        // Meant for this process and not for the one that started it.
        if var("LISTEN_PID").parse() != Ok(std::process::id()) {
            return Ok(Self(Vec::new()));
        }
        if var("LISTEN_FDS").parse().is_ok_and(|count: usize| count > PASSED_MAX) {
            return Err(Failure::Other(anyhow!("more than {PASSED_MAX} sockets were passed (LISTEN_FDS)")));
        }
        let names = var("LISTEN_FDNAMES");
        let mut passed = ListenFd::from_env();
        let count = passed.len();
        let take = |index| {
            let name = names.split(':').nth(index).filter(|name| !name.is_empty()).unwrap_or("unknown");
            let taken = take(&mut passed, index);
            taken
                .with_context(|| format!("cannot listen on passed socket {index} ({name})"))
                .map_err(Failure::Other)
        };
        (0..count).map(take).collect::<Result<_, _>>().map(Self)
    }
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<PassedSocket> {
    let (socket, listens) = match passed.take_tcp_listener(index) {
        Ok(Some(socket)) => {
            let listens = socket_acceptconn(&socket);
            (PassedSocket::Tcp(socket), listens)
        }
        Ok(None) | Err(_) => {
            let socket = passed.take_unix_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
            let listens = socket_acceptconn(&socket);
            (PassedSocket::Unix(socket), listens)
        }
    };
    match listens {
        Ok(true) => Ok(socket),
        Ok(false) => Err(io::Error::other("it does not listen (systemd: `Accept=no`)")),
        Err(error) => Err(error.into()),
    }
}

/// Binds what is to be listened on. Sockets that were passed take the place of the usual address.
pub(super) fn bind(
    io: &Runtime,
    config: &Config,
    passed: Passed,
    warnings: &mut Vec<String>,
) -> Result<Vec<Listener>, Failure> {
    if config.net.listen.is_empty() {
        return Err(Failure::Configuration(anyhow!("nowhere to listen: `listen` is an empty list")));
    }
    let mut passed = passed.0;
    if !passed.is_empty() && !config.net.listen.contains(&ListenAt::Auto) {
        warnings
            .push("the sockets that were passed are ignored: `listen` says others, and not `auto`".into());
    }
    let mut listeners = Vec::new();
    for place in &config.net.listen {
        match place {
            ListenAt::Auto if passed.is_empty() => {
                listeners.push(bind_at(io, &ListenAt::Tcp(ListenAt::USUAL))?);
            }
            ListenAt::Auto => {
                let _io = io.enter();
                for socket in passed.drain(..) {
                    let listener = match socket {
                        PassedSocket::Tcp(socket) => Listener::inherited_tcp(socket),
                        PassedSocket::Unix(socket) => Listener::inherited_unix(socket),
                    };
                    let listener = listener.context("cannot listen on a passed socket");
                    listeners.push(listener.map_err(Failure::Other)?);
                }
            }
            ListenAt::Tcp(_) | ListenAt::Unix(_) => listeners.push(bind_at(io, place)?),
        }
    }
    Ok(listeners)
}

fn bind_at(io: &Runtime, place: &ListenAt) -> Result<Listener, Failure> {
    let bound = match place {
        ListenAt::Auto => return bind_at(io, &ListenAt::Tcp(ListenAt::USUAL)),
        ListenAt::Tcp(address) => io.block_on(Listener::tcp(*address)),
        ListenAt::Unix(path) => io.block_on(Listener::unix(path)),
    };
    bound
        .with_context(|| match place {
            ListenAt::Unix(_) => {
                format!(
                    "cannot listen on {place}: choose another path with --listen, or stop who listens there"
                )
            }
            ListenAt::Auto | ListenAt::Tcp(_) => format!(
                "cannot listen on {place}: choose another address with --listen (port 0 takes any free one)"
            ),
        })
        .map_err(Failure::Other)
}

/// The admin side's listener. The usual address may be another host's, which is no reason not to serve;
/// an address that was asked for is.
pub(super) fn bind_admin(
    io: &Runtime,
    config: &Config,
    warnings: &mut Vec<String>,
) -> anyhow::Result<Option<Listener>> {
    match config.admin.listen {
        AdminListen::Off => Ok(None),
        AdminListen::Usual => match io.block_on(Listener::tcp(AdminListen::USUAL)) {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => {
                let usual = AdminListen::USUAL;
                warnings.push(format!("no admin side: cannot listen on {usual}: {error}; see --admin"));
                Ok(None)
            }
        },
        AdminListen::At(address) => io.block_on(Listener::tcp(address)).map(Some).with_context(|| {
            format!(
                "cannot listen on {address} for --admin: choose another address (port 0 takes any free \
                 one) or `off`"
            )
        }),
    }
}

/// Tells where the host listens, the first line of all: whoever started it reads the port from it.
pub(super) fn tell(listeners: &[Listener], scheme: &str, admin: Option<&Listener>) {
    let mut lines = String::new();
    for listener in listeners {
        lines += &match listener.place() {
            ListenAt::Unix(path) => format!("Serving HTTP on unix:{} ({scheme})\n", path.display()),
            place @ (ListenAt::Auto | ListenAt::Tcp(_)) => format!("Serving HTTP on {scheme}://{place}/\n"),
        };
    }
    if let Some(admin) = admin {
        lines += &format!("Admin on http://{}/\n", admin.place());
    }
    // A closed standard error is no reason not to serve.
    let _ = io::stderr().write_all(lines.as_bytes());
}
