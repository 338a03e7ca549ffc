//! Who may ask the admin side, where it listens, and what it refuses to start with.

use crate::harness::{Client, Server, command, eventually, guest, run};
use std::net::TcpListener;

const TOKEN: &str = "correct-horse-battery";

#[track_caller]
fn guarded() -> (Server, Client) {
    let settings = ["--admin", "127.0.0.1:0"];
    let server = Server::start_with(&guest("hello"), &settings, |command| {
        command.env("WASM_HOST_ADMIN_TOKEN", TOKEN);
    });
    let admin = server.admin();
    (server, admin)
}

#[track_caller]
fn refused(arguments: &[&str], variables: &[(&str, &str)], code: i32) -> String {
    let mut host = command();
    host.args([&guest("hello"), "--listen", "127.0.0.1:0"]).args(arguments);
    let output = host.envs(variables.iter().copied()).output().expect("the binary starts");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.starts_with("error: ") && !text.contains("Serving HTTP"), "{text}");
    text
}

/// Row 92: what other machines may reach needs a token.
#[test]
fn exposed_admin_side_without_a_token_is_a_configuration_error() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8081"] {
        let text = refused(&["--admin", address], &[], 78);
        assert!(text.contains(address) && text.contains("`admin-token`"), "{text}");
        assert!(text.contains("WASM_HOST_ADMIN_TOKEN=TOKEN") && text.contains("127.0.0.1:8081"), "{text}");
    }
}

/// Row 92: with one it is served.
#[test]
fn exposed_admin_side_with_a_token_asks_for_it() {
    let server = Server::start_with(&guest("hello"), &["--admin", "0.0.0.0:0"], |command| {
        command.env("WASM_HOST_ADMIN_TOKEN", TOKEN);
    });
    let admin = server.admin();
    admin.get("/health").assert_ok();
    admin.get("/admin/jobs").assert_problem(401, "unauthorized");
    let whole = [("authorization", "Bearer correct-horse-battery"), ("host", "host.example:8081")];
    admin.send("GET", "/admin/jobs", &whole, None).expect("an answer").assert_ok();
}

#[test]
fn unfit_token_is_refused_and_not_repeated() {
    let short = "hunter2-hunter2";
    for (arguments, variables, code) in
        [(&["--admin-token", short][..], &[][..], 64), (&[], &[("WASM_HOST_ADMIN_TOKEN", short)], 78)]
    {
        let text = refused(arguments, variables, code);
        assert!(text.contains("16 to 256") && !text.contains("hunter2"), "{text}");
    }
    let help = String::from_utf8(run(&["--help"]).stdout).expect("UTF-8");
    assert!(help.contains("WASM_HOST_ADMIN_TOKEN"), "{help}");
}

#[test]
fn asked_for_address_that_is_taken_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let text = refused(&["--admin", &address], &[], 1);
    assert!(text.contains(&address) && text.contains("in use") && text.contains("--admin"), "{text}");
}

/// Whoever has it: this test, or somebody else on this machine.
#[test]
fn usual_address_that_is_taken_is_done_without() {
    let _taken = TcpListener::bind("127.0.0.1:8081");
    let server = Server::start_with(&guest("hello"), &[], |command| {
        command.env_remove("WASM_HOST_ADMIN");
    });
    server.log.wait_for(&["no admin side", "127.0.0.1:8081", "--admin"]);
    server.client().get("/").assert_ok();
    assert!(server.log.lines_with("Admin on").is_empty());
}

#[test]
fn admin_side_that_is_off_is_nowhere() {
    let server = Server::start(&guest("hello"), &["--admin", "off"]);
    // What clients reach has no admin paths: they are the handler's.
    assert!(server.client().get("/admin/jobs").assert_ok().text().contains("/admin/jobs"));
    server.log.wait_for(&["ready"]);
    assert!(server.log.lines_with("Admin on").is_empty());
}

/// Row 91: without the token there is nothing, and a handful of guesses is all that a minute has.
#[test]
fn token_is_asked_for_and_guesses_are_bounded() {
    let (server, admin) = guarded();
    let ask = |token: &str| {
        let whole = format!("Bearer {token}");
        admin.send("GET", "/admin/jobs", &[("authorization", &whole)], None).expect("an answer")
    };
    for path in ["/admin/jobs", "/admin/metrics", "/admin/jobs/1", "/admin/nothing"] {
        let refused = admin.get(path);
        refused.assert_problem(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    ask(TOKEN).assert_ok();
    for guess in 0..10 {
        ask(&format!("{TOKEN}{guess}")).assert_problem(401, "unauthorized");
    }
    for token in ["eleventh-guess-is-one", TOKEN] {
        let refused = ask(token);
        refused.assert_problem(429, "too_many_attempts");
        assert_eq!(refused.header("retry-after"), "60");
    }
    for path in ["/health", "/ready"] {
        admin.get(path).assert_ok();
    }
    server.client().get("/").assert_ok();
    assert!(server.log.lines_with(TOKEN).is_empty(), "the token is in the log");
}

/// Row 99: a page in a browser on this machine gets nothing and does nothing.
#[test]
fn requests_of_browsers_pages_are_refused() {
    let (_guarded, with_token) = guarded();
    let open = Server::start(&guest("hello"), &["--admin", "127.0.0.1:0"]);
    let authorization = ("authorization", "Bearer correct-horse-battery");
    for admin in [with_token, open.admin()] {
        for origin in ["https://evil.example", "http://127.0.0.1:8081", "null"] {
            for (method, path) in [("GET", "/admin/jobs"), ("DELETE", "/admin/jobs/1"), ("GET", "/health")] {
                let refused = admin.send(method, path, &[authorization, ("origin", origin)], None);
                refused.expect("an answer").assert_problem(403, "forbidden");
            }
        }
        // A preflight: nothing is allowed, whoever asks.
        let asks = [("origin", "https://evil.example"), ("access-control-request-method", "DELETE")];
        let preflight = admin.send("OPTIONS", "/admin/jobs/1", &asks, None).expect("an answer");
        preflight.assert_problem(403, "forbidden");
        assert_eq!(preflight.header("access-control-allow-origin"), "");
    }
}

/// Row 99: nor one that was led here under a name of its own (DNS rebinding).
#[test]
fn foreign_names_are_refused_where_there_is_no_token() {
    let server = Server::start(&guest("hello"), &["--admin", "127.0.0.1:0"]);
    let admin = server.admin();
    for (host, status) in [
        ("evil.example:8081", "403"),
        ("127.0.0.1.evil.example", "403"),
        ("0.0.0.0:8081", "403"),
        ("localhost:8081", "200"),
        ("127.0.0.1", "200"),
        ("[::1]:8081", "200"),
    ] {
        let answer = admin
            .raw(format!("GET /admin/jobs HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
    let rebound =
        b"GET http://evil.example/admin/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    // Two names for one server: refused before it is asked whose they are.
    let rebound = admin.raw(rebound);
    assert!(rebound.starts_with("HTTP/1.1 40"), "{rebound}");
    let nameless = admin.raw(b"GET /admin/jobs HTTP/1.0\r\n\r\n");
    assert!(nameless.starts_with("HTTP/1.0 403") || nameless.starts_with("HTTP/1.1 403"), "{nameless}");
}

/// Connections that say nothing end by themselves: nobody can hold all of them for good.
#[test]
fn silent_connections_do_not_lock_the_admin_side() {
    let server = Server::start(&guest("hello"), &["--admin", "127.0.0.1:0"]);
    let admin = server.admin();
    let silent: Vec<_> = (0..80).map(|_| admin.connect()).collect();
    eventually("an answer", || admin.send("GET", "/health", &[], None).is_ok());
    server.client().get("/").assert_ok();
    drop(silent);
}
