//! Tokens that a registry has somebody else give out (`Bearer`): the password goes there and not to the
//! registry. <https://distribution.github.io/distribution/spec/auth/token/>

use super::answer::Answer;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::session::{Session, shown};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

/// Bytes of the answer.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;
/// Who asks, where a token is had for another.
const CLIENT: &str = "wasm-host";
const FORM: &str = "application/x-www-form-urlencoded";

/// The token that is wanted.
pub(super) struct Wanted<'a> {
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) scope: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    token: Option<String>,
    access_token: Option<String>,
}

/// Asks for a token, as nobody if there are no credentials. What to show the registry.
pub(super) fn fetch(
    session: &Session<'_>,
    wanted: &Wanted<'_>,
    known: Option<&Credentials>,
) -> Result<String, RegistryError> {
    let malformed =
        |asked: &str, what: &str| RegistryError::Malformed { asked: asked.to_owned(), what: what.to_owned() };
    let mut url = Url::parse(wanted.realm)
        .map_err(|_| malformed("WWW-Authenticate", "the realm, where tokens are had, is no URL"))?;
    let method = if matches!(known, Some(Credentials::IdentityToken(_))) { "POST" } else { "GET" };
    let asked = shown(method, &url);
    session.check_way(&asked, &url)?;
    let response = match known {
        Some(Credentials::IdentityToken(identity)) => {
            let mut form = Serializer::new(String::new());
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", identity);
            form.append_pair("client_id", CLIENT).append_pair("scope", wanted.scope);
            form.extend_pairs(wanted.service.map(|service| ("service", service)));
            let form = form.finish();
            session.exchange(&asked, (method, &url), &[("content-type", FORM)], form.as_bytes())?
        }
        Some(Credentials::Password { .. }) | None => {
            let service = wanted.service.map(|service| ("service", service));
            url.query_pairs_mut().extend_pairs(service).append_pair("scope", wanted.scope);
            let authorization = known.and_then(Credentials::basic);
            let fields: Vec<(&str, &str)> =
                authorization.iter().map(|value| ("authorization", value.as_str())).collect();
            session.exchange(&asked, (method, &url), &fields, &[])?
        }
    };
    let answer = Answer { asked, deadline: session.deadline(), response };
    if !(200..=299).contains(&answer.status()) {
        return Err(answer.refusal(known.is_some()));
    }
    let (text, asked) = answer.read(ANSWER_BYTES_MAX)?;
    // What stands there may be a token: nothing of it is told.
    let tokens: Option<Tokens> = serde_json::from_slice(&text).ok();
    let token = tokens.and_then(|tokens| tokens.token.or(tokens.access_token));
    let token = token.ok_or_else(|| malformed(&asked, "it holds no `token`"))?;
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(format!("Bearer {token}")),
        false => Err(malformed(&asked, "its `token` has characters that no token has")),
    }
}
