//! `/admin/handlers`: what is served, and every change of it.

use super::refusal::Refusal;
use super::routes::Operation;
use super::upload::{Uploads, is_a, unsupported};
use super::whole;
use crate::config::HandlerName;
use crate::deploy::api::{CanaryOrder, Changed, FetchOrder, PauseOrder, Removed, RollbackOrder};
use crate::deploy::{
    self, Base, Canary, Change, Deployments, Done, From, New, Order, RefusalReason, Share, Spec, Tester, What,
};
use crate::net::answer::AnswerBody;
use crate::net::service::Host;
use crate::outcome::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;

const JSON: &str = "application/json";
pub(super) const WASM: &str = "application/wasm";
/// Who has signed the component: the text of `FILE.sig`, as base64.
pub(super) const SIGNATURES: HeaderName = HeaderName::from_static("wasm-host-signatures");

/// What is asked, of which handler, by whom.
pub(super) struct Question<'a> {
    pub(super) operation: Operation,
    /// What stands in the path.
    pub(super) name: &'a str,
    pub(super) client: IpAddr,
    pub(super) head: &'a Parts,
}

/// Every handler.
pub(super) fn list(deployments: &Deployments) -> Response<AnswerBody> {
    answer(&deployments.list(), None)
}

/// One handler.
pub(super) fn show(deployments: &Deployments, name: &str) -> Result<Response<AnswerBody>, Refusal> {
    let info = deployments.show(&parse_name(name)?)?;
    Ok(answer(&info, info.generation))
}

/// The name of a handler that there is.
pub(super) fn find(deployments: &Deployments, name: &str) -> Result<HandlerName, Refusal> {
    let name = parse_name(name)?;
    deployments.show(&name)?;
    Ok(name)
}

/// The versions of one.
pub(super) fn versions(deployments: &Deployments, name: &str) -> Result<Response<AnswerBody>, Refusal> {
    let versions = deployments.versions(&parse_name(name)?)?;
    Ok(answer(&versions, Some(versions.generation)))
}

/// Changes one, and tells the log who did what, and what came of it.
pub(super) async fn change(
    host: &Arc<Host>,
    uploads: &Uploads,
    question: Question<'_>,
    body: Incoming,
) -> Result<Response<AnswerBody>, Refusal> {
    let audit = Audit::of(&question);
    let order = match order(&host.deployments, uploads, &question, body).await {
        Ok(order) => order,
        Err(refusal) => {
            audit.tell(refusal.label(), None);
            return Err(refusal);
        }
    };
    let (name, host) = (order.name.clone(), host.clone());
    // Once asked for, it is made and told of, also if the client does not wait for it.
    let made = tokio::runtime::Handle::current().spawn(async move {
        let done = host.deployments.ask(order).await;
        match &done {
            Ok(done) => audit.tell(if done.changed { "done" } else { "unchanged" }, Some(done)),
            Err(refusal) => audit.tell(refusal.reason.label(), None),
        }
        done
    });
    let done = made.await.unwrap_or_else(|_| Err(deploy::Refusal::plain(RefusalReason::HostFailed)))?;
    let Done { changed, generation, handler, .. } = done;
    Ok(match handler {
        Some(handler) => answer(&Changed { changed, handler: *handler }, Some(generation)),
        None => answer(&Removed { name, generation }, None),
    })
}

/// Who asked for what, until the log is told what came of it.
struct Audit {
    client: IpAddr,
    action: &'static str,
    method: Method,
    handler: String,
}

impl Audit {
    fn of(question: &Question<'_>) -> Self {
        // A name that is none is not repeated as it is.
        let handler = HandlerName::parse(question.name);
        Self {
            client: question.client,
            action: question.operation.action().unwrap_or_default(),
            method: question.head.method.clone(),
            handler: handler.map_or_else(|_| "-".to_owned(), |name| name.to_string()),
        }
    }

    fn tell(&self, outcome: &str, done: Option<&Done>) {
        let Self { client, action, method, handler } = self;
        let (method, generation) = (method.as_str(), done.map(|done| done.generation));
        let version = done.and_then(|done| done.active).map(|version| version.short());
        tracing::info!(%client, action, method, handler, outcome, generation, version, "audit");
    }
}

/// What is asked for, once all of it has arrived.
async fn order(
    deployments: &Deployments,
    uploads: &Uploads,
    question: &Question<'_>,
    body: Incoming,
) -> Result<Order, Refusal> {
    let name = parse_name(question.name)?;
    let head = question.head;
    // What it is now, before anything of the body has arrived: a change meanwhile is a conflict.
    let base = base(&head.headers)?.unwrap_or_else(|| Base::Exactly(deployments.generation(&name)));
    let what = match question.operation {
        Operation::Deploy => deploy_order(uploads, head, body).await?,
        Operation::Canary => canary_order(deployments, uploads, &name, head, body).await?,
        Operation::Rollback => {
            let order: RollbackOrder = uploads.document(&head.headers, body).await?;
            let version = order.version.map(|text| deployments.find_version(&name, &text)).transpose()?;
            What::Change(Change::Rollback(version))
        }
        Operation::Pause => {
            let order: PauseOrder = uploads.document(&head.headers, body).await?;
            What::Change(Change::Pause(order.reason))
        }
        Operation::Resume => What::Change(Change::Resume),
        Operation::Promote => What::Change(Change::Promote),
        Operation::EndCanary => What::Change(Change::EndCanary),
        Operation::Remove => What::Remove,
        // Nothing else changes a handler.
        Operation::Health
        | Operation::Ready
        | Operation::OpenApi
        | Operation::Jobs
        | Operation::KillJob
        | Operation::Metrics
        | Operation::Drain
        | Operation::Handlers
        | Operation::Handler
        | Operation::Versions
        | Operation::Logs => return Err(Reason::NotFound.into()),
    };
    Ok(Order { name, base, what })
}

async fn deploy_order(uploads: &Uploads, head: &Parts, body: Incoming) -> Result<What, Refusal> {
    if is_a(&head.headers, JSON) {
        let FetchOrder { component, settings } = uploads.whole_document(&head.headers, body).await?;
        let new = New { from: From::Fetched(component), spec: settings.sound()? };
        return Ok(What::Deploy(Box::new(new)));
    }
    let query = Query::parse(head, &["settings"])?;
    let spec = query.settings()?;
    Ok(What::Deploy(Box::new(sent(uploads, head, body, spec).await?)))
}

async fn canary_order(
    deployments: &Deployments,
    uploads: &Uploads,
    name: &HandlerName,
    head: &Parts,
    body: Incoming,
) -> Result<What, Refusal> {
    if !is_a(&head.headers, JSON) {
        let query = Query::parse(head, &["settings", "percent", "tester"])?;
        let spec = query.settings()?;
        let percent = query.get("percent").ok_or_else(|| bad("`percent` is missing: expected 0 to 100"))?;
        let share = percent.parse().ok().and_then(Share::percent);
        let share = share.ok_or_else(|| bad("`percent` is no number from 0 to 100"))?;
        let tester = query.get("tester").map(str::parse::<Tester>).transpose();
        let tester = tester.map_err(|error| bad(&format!("`tester`: {error}")))?;
        let new = Box::new(sent(uploads, head, body, spec).await?);
        return Ok(What::Try { new, share, tester });
    }
    let order: CanaryOrder = uploads.whole_document(&head.headers, body).await?;
    let CanaryOrder { version, component, settings, percent, tester } = order;
    let share = Share::percent(percent).ok_or_else(|| bad("`percent` is more than 100"))?;
    match (version, component) {
        (Some(version), None) => {
            let version = deployments.find_version(name, &version)?;
            Ok(What::Change(Change::StartCanary(Canary { version, share, tester })))
        }
        (None, Some(component)) => {
            let new = New { from: From::Fetched(component), spec: settings.sound()? };
            Ok(What::Try { new: Box::new(new), share, tester })
        }
        (Some(_), Some(_)) | (None, None) => Err(bad("expected either `version` or `component`")),
    }
}

async fn sent(uploads: &Uploads, head: &Parts, body: Incoming, spec: Spec) -> Result<New, Refusal> {
    if !is_a(&head.headers, WASM) {
        return Err(unsupported("application/wasm, or application/json that names a component"));
    }
    let signatures = head.headers.get(SIGNATURES).map(|value| {
        let bytes = STANDARD.decode(value.as_bytes()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| bad("`wasm-host-signatures` is not the base64 of a FILE.sig"))
    });
    let signatures = signatures.transpose()?;
    let (bytes, held) = uploads.component(&head.headers, body).await?;
    Ok(New { from: From::Sent { bytes, signatures, held }, spec })
}

/// What stands behind the `?`.
struct Query(Vec<(String, String)>);

impl Query {
    /// Reads it; what is not `known` is refused, as it was meant to do something.
    fn parse(head: &Parts, known: &[&str]) -> Result<Self, Refusal> {
        let pairs = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let pairs: Vec<(String, String)> = pairs.into_owned().collect();
        match pairs.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => {
                let shown: String = key.chars().take(40).collect();
                Err(bad(&format!("unknown parameter {shown:?}: expected {}", known.join(", "))))
            }
            None => Ok(Self(pairs)),
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn settings(&self) -> Result<Spec, Refusal> {
        Ok(self.get("settings").map(Spec::parse).transpose()?.unwrap_or_default())
    }
}

fn parse_name(text: &str) -> Result<HandlerName, Refusal> {
    HandlerName::parse(text)
        .map_err(|error| deploy::Refusal::new(RefusalReason::BadName, error.to_string()).into())
}

/// The generation that the change is for, where the client says so (RFC 9110 §13.1).
fn base(headers: &HeaderMap) -> Result<Option<Base>, Refusal> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default().trim());
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some(Base::Any)),
        (None, Some("*")) => Ok(Some(Base::Exactly(0))),
        (Some(tag), None) => {
            let digits = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let generation = digits.and_then(|digits| digits.parse().ok());
            let generation = generation.ok_or_else(|| bad("`If-Match` is no ETag of a handler"))?;
            Ok(Some(Base::Exactly(generation)))
        }
        (_, Some(_)) => Err(bad("expected `If-Match` with an ETag, or `If-None-Match: *`")),
    }
}

fn bad(detail: &str) -> Refusal {
    deploy::Refusal::new(RefusalReason::BadChange, detail).into()
}

fn answer(document: &impl Serialize, generation: Option<u64>) -> Response<AnswerBody> {
    let text = serde_json::to_string(document).expect("an answer: text keys, and plain values");
    let mut answer = whole(JSON, text + "\n");
    if let Some(generation) = generation {
        let tag = HeaderValue::try_from(format!("\"{generation}\"")).expect("an ETag: digits in quotes");
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}
