//! Middleware: components in front of a handler, and what is said where they do not fit.

use crate::harness::{Answer, Connection, Server, guest, run};

const TOKEN: &str = "correct-horse";

fn start(handler: &str, layers: usize) -> Server {
    let auth = guest("auth");
    let mut arguments = ["--middleware", auth.as_str()].repeat(layers);
    let env = format!("AUTH_TOKEN={TOKEN}");
    arguments.extend(["--env", &env]);
    Server::start(&guest(handler), &arguments)
}

#[track_caller]
fn get_with(server: &Server, authorization: &str) -> Answer {
    let headers = [("authorization", authorization)];
    server.client().send("GET", "/way?q", &headers, None).expect("an answer")
}

#[test]
fn who_knows_the_token_gets_the_handlers_answer_and_nobody_else() {
    for layers in [1, 2] {
        let server = start("hello", layers);
        let answer = get_with(&server, &format!("Bearer {TOKEN}"));
        assert_eq!(answer.assert_ok().text(), "Hello from /way?q\n");
        assert_eq!(answer.header("content-length"), "18");
        for wrong in ["", "Bearer", "Bearer correct-hors", "Bearer correct-horses", "Basic correct-horse"] {
            let answer = get_with(&server, wrong);
            assert_eq!((answer.status, answer.text().as_str()), (401, "who are you?\n"), "{wrong:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        assert_eq!(server.client().get("/").status, 401);
        server.log.wait_for(&[" request ", "status=401", "reason=\"ok\""]);
    }
}

#[test]
fn bodies_and_trailers_pass_through_middleware_both_ways() {
    let server = start("echo", 2);
    let mut connection = Connection::open(&server.client());
    connection.send(format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer {TOKEN}\r\nTE: trailers\r\n\
         Transfer-Encoding: chunked\r\nTrailer: x-checksum\r\n\r\n"
    ));
    let mut sent = Vec::new();
    for byte in b'a'..=b'z' {
        let chunk = vec![byte; 10_000];
        connection.send_chunk(&chunk);
        sent.extend(chunk);
    }
    connection.send("0\r\nx-checksum: 7\r\n\r\n");
    let answer = connection.answer().expect("an answer");
    assert!(answer.assert_ok().body == sent, "{} bytes of {}", answer.body.len(), sent.len());
    assert_eq!(connection.trailers.get("x-checksum").map(|value| value.as_bytes()), Some(&b"7"[..]));
}

#[test]
fn limits_count_the_handler_and_its_middleware_together() {
    // Each layer has a memory of a megabyte and more, and all of them are one instance.
    let auth = guest("auth");
    let mut arguments = ["--middleware", auth.as_str()].repeat(8);
    arguments.extend(["--memory", "4MiB", "--admin", "off"]);
    let refused = run(&[&["serve", &guest("hello"), "--listen", "127.0.0.1:0"][..], &arguments[..]].concat());
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{text}");
    assert!(text.contains("of memory to start") && text.contains("raise `--memory`"), "{text}");
}

#[test]
fn runaway_behind_middleware_ends_at_its_deadline() {
    let server = {
        let auth = guest("auth");
        let env = format!("AUTH_TOKEN={TOKEN}");
        let arguments = ["--middleware", &auth, "--env", &env, "--timeout", "300ms"];
        Server::start(&guest("spin"), &arguments)
    };
    assert_eq!(get_with(&server, "Bearer no").status, 401);
    get_with(&server, &format!("Bearer {TOKEN}")).assert_problem(504, "guest_timeout");
    server.wait_idle();
}

#[test]
fn middleware_that_does_not_fit_is_refused_with_what_was_found() {
    let (hello, auth) = (guest("hello"), guest("auth"));
    let missing = format!("{auth}.missing");
    let cases: [(&str, &str, &[&str]); 3] = [
        (&hello, &hello, &["is no middleware", "exports wasi:http/incoming-handler@0.2", "imports"]),
        (&missing, &hello, &["cannot use the middleware", "missing", "cannot read the file"]),
        (&auth, &auth, &["wasi:http/incoming-handler@0.2.12 (this is middleware", "--middleware"]),
    ];
    for (middleware, handler, words) in cases {
        let output = run(&["serve", handler, "--middleware", middleware, "--listen", "127.0.0.1:0"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(text.starts_with(&format!("error: cannot serve {handler}\n")), "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?}: {text}");
        }
    }
}

#[test]
fn file_and_environment_name_middleware_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = format!(
        "component = {:?}\nmiddleware = [{:?}]\nlisten = [\"127.0.0.1:0\"]\n\n[env]\nAUTH_TOKEN = \"{TOKEN}\"\n",
        guest("hello"),
        guest("auth")
    );
    std::fs::write(directory.path().join("wasm-host.toml"), settings).expect("a file");
    let server = Server::spawn(crate::harness::command().current_dir(directory.path()));
    assert_eq!(server.client().get("/").status, 401);
    get_with(&server, &format!("Bearer {TOKEN}")).assert_ok();

    let server = Server::start_with(&guest("hello"), &[], |host| {
        host.env("WASM_HOST_MIDDLEWARE", guest("auth"));
    });
    let answer = server.client().get("/");
    assert_eq!((answer.status, answer.text().as_str()), (500, "auth: AUTH_TOKEN is not set\n"));
}

#[test]
fn middleware_for_0_3_passes_on_what_it_let_through_and_tells_the_handler() {
    let (auth, env) = (guest("auth3"), format!("AUTH_TOKEN={TOKEN}"));
    for layers in [1, 2] {
        let mut arguments = ["--middleware", auth.as_str()].repeat(layers);
        arguments.extend(["--env", &env]);
        let server = Server::start(&guest("headers3"), &arguments);
        let answer = get_with(&server, "Bearer no");
        assert_eq!((answer.status, answer.text().as_str()), (401, "who are you?\n"));
        let text = get_with(&server, &format!("Bearer {TOKEN}")).assert_ok().text();
        assert_eq!(text.matches("x-authenticated: yes").count(), 1, "{text}");
        assert!(text.contains("/way?q"), "{text}");
    }
}

#[test]
fn bodies_and_trailers_pass_through_middleware_for_0_3_both_ways() {
    let (auth, env) = (guest("auth3"), format!("AUTH_TOKEN={TOKEN}"));
    let arguments = ["--middleware", &auth, "--middleware", &auth, "--env", &env];
    let server = Server::start(&guest("echo3"), &arguments);
    let mut connection = Connection::open(&server.client());
    connection.send(format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer {TOKEN}\r\nTE: trailers\r\n\
         Transfer-Encoding: chunked\r\nTrailer: x-checksum\r\n\r\n"
    ));
    let chunk = vec![b'a'; 10_000];
    assert!((0..26).all(|_| connection.send_chunk(&chunk)), "the host closed");
    connection.send("0\r\nx-checksum: 7\r\n\r\n");
    let answer = connection.answer().expect("an answer");
    assert!(answer.assert_ok().body == chunk.repeat(26), "{} bytes", answer.body.len());
    assert_eq!(connection.trailers.get("x-checksum").map(|value| value.as_bytes()), Some(&b"7"[..]));
}
