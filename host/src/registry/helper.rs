//! Credential helpers: the programs `docker-credential-NAME` that Docker's configuration names. They are the
//! user's own, and may still hang, as one that waits for a password does: so each is bounded in time and in
//! what it may say, and is ended with everything that it has started.

use super::credentials::{Credentials, CredentialsError};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long one may take.
const TIME_MAX: Duration = Duration::from_secs(15);
/// Bytes of its answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What it answers where it knows none.
const NONE_KNOWN: &str = "credentials not found";
/// The user name that stands for a token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper of this name for a registry; none if it knows none.
pub(super) fn ask(name: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
    let helper = format!("docker-credential-{name}");
    // The name is a part of a program's name, and never a path.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(CredentialsError::HelperName);
    }
    let mut command = Command::new(&helper);
    command.arg("get");
    answer_of(command, helper, registry, TIME_MAX)
}

fn answer_of(
    mut command: Command,
    helper: String,
    registry: &str,
    time: Duration,
) -> Result<Option<Credentials>, CredentialsError> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|source| CredentialsError::HelperStart { helper: helper.clone(), source })?;
    let stdout = child.stdout.take();
    let (tx, rx) = channel();
    // Ends with the helper's output, which the kill below closes.
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.map(|stdout| stdout.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer));
        let _ = tx.send(read.is_some_and(|read| read.is_ok()).then_some(answer));
    });
    if let Some(mut stdin) = child.stdin.take() {
        // It fits into the pipe; a helper that does not read has its reasons.
        let _ = stdin.write_all(registry.as_bytes());
    }
    let answer = rx.recv_timeout(time);
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    let answer = answer.map_err(|_| CredentialsError::HelperSlow { helper: helper.clone(), time })?;
    let answer = answer.filter(|answer| answer.len() as u64 <= ANSWER_BYTES_MAX);
    parse(&answer.unwrap_or_default()).map_err(|()| CredentialsError::HelperAnswer { helper })
}

fn parse(answer: &[u8]) -> Result<Option<Credentials>, ()> {
    if String::from_utf8_lossy(answer).contains(NONE_KNOWN) {
        return Ok(None);
    }
    let Answer { username, secret } = serde_json::from_slice(answer).map_err(|_| ())?;
    Ok(Some(match username.as_str() {
        TOKEN_USER => Credentials::IdentityToken(secret),
        _ => Credentials::Password { user: username, password: secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let password = parse(br#"{"ServerURL":"a","Username":"u","Secret":"p"}"#).unwrap().unwrap();
        assert_eq!(password, Credentials::Password { user: "u".into(), password: "p".into() });
        let token = parse(br#"{"Username":"<token>","Secret":"t"}"#).unwrap().unwrap();
        assert_eq!(token, Credentials::IdentityToken("t".into()));
        assert_eq!(parse(b"credentials not found in native keychain\n"), Ok(None));
        assert!(parse(b"pass not initialized").is_err() && parse(b"").is_err());
    }

    #[test]
    fn name_is_no_path_and_no_arguments() {
        for name in ["", "../x", "a b", "a/b", "x;y"] {
            assert!(matches!(ask(name, "a"), Err(CredentialsError::HelperName)), "{name}");
        }
        assert!(matches!(ask("no-such-helper", "a"), Err(CredentialsError::HelperStart { .. })));
    }

    fn asked(script: &str, time: Duration) -> Result<Option<Credentials>, CredentialsError> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        answer_of(command, "helper".to_owned(), "a.example", time)
    }

    #[test]
    fn helper_gets_the_registry_and_its_answer_is_taken() {
        let script = r#"read -r host; echo "{\"Username\":\"u\",\"Secret\":\"$host\"}""#;
        let answer = asked(script, TIME_MAX).unwrap().unwrap();
        assert_eq!(answer, Credentials::Password { user: "u".into(), password: "a.example".into() });
    }

    #[test]
    fn helper_that_hangs_or_floods_is_ended_with_what_it_has_started() {
        let began = std::time::Instant::now();
        let slow = asked("sleep 600 & sleep 600", Duration::from_millis(100));
        assert!(matches!(slow, Err(CredentialsError::HelperSlow { .. })), "{slow:?}");
        let flood = asked("yes", TIME_MAX);
        assert!(matches!(flood, Err(CredentialsError::HelperAnswer { .. })), "{flood:?}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
