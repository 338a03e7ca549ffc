//! Tries what it was not granted: environment, arguments, files, TCP, UDP and names; and reads its
//! standard input. Answers a line for each; prints one to each output.
//!
//! Claim: a guest of WASI 0.3 finds the same empty world as one of 0.2.

use behaviours3::prelude::*;
use behaviours3::wasip3::cli::{environment, stdin};
use behaviours3::wasip3::filesystem::preopens;
use behaviours3::wasip3::sockets::ip_name_lookup;
use behaviours3::wasip3::sockets::types::{
    IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket, UdpSocket,
};

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let port = u16::try_from(query_of(&request).number("port", 80)).unwrap_or_default();
    println!("to the log, out");
    eprintln!("to the log, err");
    let mut text = format!(
        "environment {}\narguments {}\npreopens {}\n",
        environment::get_environment().len(),
        environment::get_arguments().len(),
        preopens::get_directories().len(),
    );
    let (input, _) = stdin::read_via_stream();
    text += &format!("stdin {}\n", input.collect().await.len());
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) });
    let tcp = match TcpSocket::create(IpAddressFamily::Ipv4) {
        Ok(socket) => socket.connect(address).await,
        Err(error) => Err(error),
    };
    let udp = match UdpSocket::create(IpAddressFamily::Ipv4) {
        Ok(socket) => {
            socket.bind(IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 0, address: (0, 0, 0, 0) }))
        }
        Err(error) => Err(error),
    };
    let name = ip_name_lookup::resolve_addresses("localhost".to_owned()).await;
    text += &format!("tcp {tcp:?}\nudp {udp:?}\nname {:?}\n", name.map(|addresses| addresses.len()));
    Ok(answer(200, text))
}
