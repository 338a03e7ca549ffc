//! The other end of the admin side: what `wasm-host deploy` and its kin ask a running host, and what they say
//! where there is none, or it refuses.

use super::exit::Failure;
use crate::config::AdminListen;
use anyhow::{Context, anyhow};
use clap::{Arg, ArgAction, ArgMatches};
use http::{Request, Uri};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

pub(super) const ADMIN: &str = "admin";
pub(super) const JSON: &str = "json";
const TOKEN_VARIABLE: &str = "WASM_HOST_ADMIN_TOKEN";
const ADMIN_VARIABLE: &str = "WASM_HOST_ADMIN";

/// How long a host may take to be reached, and to answer: a deployment is compiled meanwhile.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where a running host is asked.
pub(super) struct Client {
    /// Without a `/` at its end.
    base: String,
    token: Option<String>,
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) method: &'static str,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'a [u8],
}

impl Ask<'_> {
    /// A question without a body.
    pub(super) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: &[] }
    }
}

/// The arguments by which every such command finds its host, and says how it answers.
pub(super) fn arguments() -> [Arg; 2] {
    [
        Arg::new(ADMIN).long(ADMIN).value_name("ADDR").help(
            "Where the host's admin side is: an address or an http:// URL \
             [default: 127.0.0.1:8081] [env: WASM_HOST_ADMIN]; its token is taken from WASM_HOST_ADMIN_TOKEN",
        ),
        Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Answer in JSON, for programs"),
    ]
}

impl Client {
    /// The client that the arguments and the environment ask for.
    pub(super) fn open(matches: &mut ArgMatches) -> Result<Self, Failure> {
        let given: Option<String> = matches.remove_one(ADMIN);
        // The variable is the host's own setting, too, which has words for values.
        let variable = std::env::var(ADMIN_VARIABLE).ok().filter(|value| value.contains(':'));
        let place = given.or(variable).unwrap_or_else(|| AdminListen::USUAL.to_string());
        let base = if place.contains("://") { place.clone() } else { format!("http://{place}") };
        let uri: Option<Uri> = base.parse().ok();
        let plain =
            uri.as_ref().is_some_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        if !plain {
            return Err(Failure::Usage(anyhow!(
                "{place:?} is no place of an admin side: expected an address such as `127.0.0.1:8081`, or an \
                 http:// URL"
            )));
        }
        let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token })
    }

    /// Asks, and reads the answer as a document.
    pub(super) fn ask<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<(T, String), Failure> {
        let text = self.text(ask)?;
        let document = serde_json::from_str(&text)
            .with_context(|| format!("{} answers what this program does not understand", self.base));
        Ok((document.map_err(Failure::Other)?, text))
    }

    /// Asks, and reads the answer whole.
    pub(super) fn text(&self, ask: &Ask<'_>) -> Result<String, Failure> {
        let mut body = self.send(ask, Some(ANSWER_TIME_MAX))?;
        let mut text = String::new();
        let read = body.as_reader().take(ANSWER_BYTES_MAX).read_to_string(&mut text);
        read.context("the answer broke off").map_err(Failure::Other)?;
        Ok(text)
    }

    /// Asks, and hands over the answer line by line, for as long as it goes on.
    pub(super) fn lines(&self, ask: &Ask<'_>, mut told: impl FnMut(&str) -> bool) -> Result<(), Failure> {
        let mut body = self.send(ask, None)?;
        let mut lines = BufReader::new(body.as_reader());
        let mut line = String::new();
        loop {
            line.clear();
            match lines.read_line(&mut line) {
                Ok(0) => return Ok(()),
                Ok(_) if !told(line.trim_end_matches('\n')) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(Failure::Other(anyhow!(error).context("the host has gone"))),
            }
        }
    }

    fn send(&self, ask: &Ask<'_>, time_max: Option<Duration>) -> Result<ureq::Body, Failure> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // What was sent to the admin side, its token too, is none of a proxy's business.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIME_MAX))
            .timeout_global(time_max)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut request = Request::builder().method(ask.method).uri(format!("{}{}", self.base, ask.path));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(ask.body);
        let request = request.context("this cannot be asked").map_err(Failure::Usage)?;
        let response = agent.run(request).map_err(|error| self.unreached(&error))?;
        let (head, mut body) = response.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let mut text = String::new();
        // What cannot be read is told by its status.
        let _ = body.as_reader().take(ANSWER_BYTES_MAX).read_to_string(&mut text);
        Err(self.refused(head.status.as_u16(), &text))
    }

    fn unreached(&self, error: &ureq::Error) -> Failure {
        Failure::Unavailable(anyhow!("{error}").context(format!(
            "no host answers at {}: start one with `wasm-host serve`, or name another with --admin",
            self.base
        )))
    }

    fn refused(&self, status: u16, text: &str) -> Failure {
        let problem: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let part = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let (reason, title, detail) = (part("reason"), part("title"), part("detail"));
        match (status, &self.token) {
            (401, None) => Failure::Denied(anyhow!("{} asks for its token: set {TOKEN_VARIABLE}", self.base)),
            (401, Some(_)) => {
                Failure::Denied(anyhow!("{} does not take this token ({TOKEN_VARIABLE})", self.base))
            }
            (429, _) => {
                Failure::Denied(anyhow!("{} had too many wrong tokens from here: wait a minute", self.base))
            }
            (_, _) if reason.is_empty() => Failure::Other(anyhow!(
                "{} answers {status}: is it the admin side of a wasm-host?",
                self.base
            )),
            (_, _) => {
                let told = if detail.is_empty() { title } else { detail };
                Failure::Refused(anyhow!("refused ({status} {reason}): {told}"))
            }
        }
    }
}
