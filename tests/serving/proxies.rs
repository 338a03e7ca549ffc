//! What is known of a request's way: hop by hop, by trusted proxies, and never by the client's own word.

use crate::harness::{Answer, Client, Connection, H2, Server, guest};

#[track_caller]
fn ask(client: &Client, fields: &str) -> Answer {
    let mut connection = Connection::open(client);
    connection.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n"));
    connection.answer().expect("an answer")
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no {line}: {text}");
    }
}

const FORGED: &str = "Forwarded: for=6.6.6.6;proto=https;host=evil.example\r\nX-Forwarded-For: 6.6.6.6\r\n\
     X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Real-IP: 6.6.6.6\r\nProxy: evil.example:1\r\n";

/// Row 61.
#[test]
fn forged_proxy_fields_do_not_reach_a_guest() {
    let server = Server::start(&guest("headers"), &["--trusted-proxies", "10.0.0.0/8"]);
    let expected = [
        "scheme http",
        "authority a.example",
        // The guest escapes quotes.
        "header forwarded: for=127.0.0.1;proto=http;host=\\\"a.example\\\"",
        "header x-forwarded-for: 127.0.0.1",
        "header x-forwarded-proto: http",
        "header x-forwarded-host: a.example",
    ];
    // Also when it wants the host's own removed.
    for more in ["", "Connection: forwarded, x-forwarded-for, x-forwarded-proto, x-request-id\r\n"] {
        let text = ask(&server.client(), &format!("{FORGED}{more}")).assert_ok().text();
        assert!(!text.contains("evil") && !text.contains("6.6.6.6") && !text.contains("real-ip"), "{text}");
        assert_lines(&text, &expected);
        assert!(text.contains("header x-request-id: "), "{text}");
    }
    let mut new = H2::open(&server.client());
    let forged = new.request("GET", "/").header("x-forwarded-host", "evil.example").header("te", "trailers");
    let sent = new.start(forged, true);
    let text = new.answer(sent).expect("a head").assert_ok().text();
    assert!(!text.contains("evil") && !text.contains("header te:"), "{text}");
    assert_lines(&text, &[&format!("authority {}", server.address), "scheme http"]);
}

#[test]
fn trusted_proxies_say_where_a_request_comes_from() {
    let custom =
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n";
    let standard =
        "Forwarded: for=\"[2001:db8::1]:1\";proto=https;host=b.example\r\nX-Forwarded-For: 6.6.6.6\r\n";
    for (settings, fields, client) in [
        (&["--trusted-proxies", "127.0.0.1"][..], custom, "192.0.2.1"),
        (&["--trusted-proxies", "127.0.0.0/8", "--forwarded-by", "forwarded"], standard, "2001:db8::1"),
    ] {
        let server = Server::start(&guest("headers"), settings);
        let text = ask(&server.client(), fields).assert_ok().text();
        let client = format!("header x-forwarded-for: {client}");
        assert_lines(
            &text,
            &["scheme https", "authority b.example", &client, "header x-forwarded-proto: https"],
        );
        assert!(!text.contains("6.6.6.6") && !text.contains("a.example"), "{text}");
    }
    let server = Server::start(&guest("headers"), &["--trusted-proxies", "127.0.0.1"]);
    ask(&server.client(), "X-Forwarded-For: unknown\r\n").assert_ok();
    ask(&server.client(), "X-Forwarded-Host: user@b.example\r\n").assert_problem(400, "bad_request");
}

#[test]
fn rates_count_the_client_that_a_trusted_proxy_names() {
    let rate = ["--rate-limit-client", "2/h"];
    let server = Server::start(&guest("hello"), &[&rate[..], &["--trusted-proxies", "127.0.0.1"]].concat());
    let from = |address: &str| ask(&server.client(), &format!("X-Forwarded-For: {address}\r\n"));
    for client in ["192.0.2.1", "192.0.2.2"] {
        from(client).assert_ok();
        from(client).assert_ok();
        from(client).assert_problem(429, "rate_limited");
    }
    // Whoever is not trusted is counted as itself, whatever it says.
    let server = Server::start(&guest("hello"), &rate);
    let from = |address: &str| ask(&server.client(), &format!("X-Forwarded-For: {address}\r\n"));
    from("192.0.2.1").assert_ok();
    from("192.0.2.2").assert_ok();
    from("192.0.2.3").assert_problem(429, "rate_limited");
}

#[test]
fn what_connection_names_ends_at_the_host() {
    let server = Server::start(&guest("headers"), &[]);
    let fields = "Connection: close, X-Secret\r\nX-Secret: 1\r\nX-Open: 1\r\nTE: trailers\r\n\
                  Proxy-Authorization: Basic YTpi\r\nProxy-Connection: keep-alive\r\n";
    let text = ask(&server.client(), fields).assert_ok().text();
    assert_lines(&text, &["header x-open: 1"]);
    for name in ["secret", "header te:", "proxy-", "header connection"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    // Its own length and its own host a request keeps.
    let answer = ask(&server.client(), "Connection: host, content-length\r\nContent-Length: 0\r\n");
    assert_lines(&answer.assert_ok().text(), &["authority a.example", "header content-length: 0"]);
}
