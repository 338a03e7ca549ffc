//! Goes round `wasi:http`: connects a TCP socket to `127.0.0.1:?port=`, binds a UDP one, and looks
//! up `localhost`. Answers `tcp ok` or `tcp CALL ERROR`, and so for `udp` and `lookup`.
//!
//! Claim: a handler has no network of its own.

use behaviours::prelude::*;
use behaviours::wasip2::sockets::instance_network::instance_network;
use behaviours::wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use behaviours::wasip2::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};

behaviours::export!(handle);

/// The call that failed, and how.
type Failure = (&'static str, ErrorCode);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let port = query_of(&request).number("port", 80) as u16;
    let report = [("tcp", connect_tcp(port)), ("udp", bind_udp()), ("lookup", look_up("localhost"))];
    let lines = report.map(|(name, result)| match result {
        Ok(()) => format!("{name} ok\n"),
        Err((call, error)) => format!("{name} {call} {}\n", error.name()),
    });
    answer(out, 200, &lines.concat());
}

fn connect_tcp(port: u16) -> Result<(), Failure> {
    let socket = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).map_err(at("create"))?;
    socket.start_connect(&instance_network(), loopback(port)).map_err(at("start-connect"))?;
    socket.subscribe().block();
    socket.finish_connect().map_err(at("finish-connect"))?;
    Ok(())
}

fn bind_udp() -> Result<(), Failure> {
    let socket = udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).map_err(at("create"))?;
    socket.start_bind(&instance_network(), loopback(0)).map_err(at("start-bind"))?;
    socket.subscribe().block();
    socket.finish_bind().map_err(at("finish-bind"))
}

fn look_up(name: &str) -> Result<(), Failure> {
    let addresses =
        ip_name_lookup::resolve_addresses(&instance_network(), name).map_err(at("resolve-addresses"))?;
    addresses.subscribe().block();
    addresses.resolve_next_address().map_err(at("resolve-next-address"))?;
    Ok(())
}

fn at(call: &'static str) -> impl Fn(ErrorCode) -> Failure {
    move |error| (call, error)
}

fn loopback(port: u16) -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) })
}
