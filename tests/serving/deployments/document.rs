//! The OpenAPI document against what the admin side does: nothing is served that it does not tell, and nothing
//! is told that is not served.

use super::{Site, env, marked};
use serde_json::Value;

const METHODS: [&str; 6] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"];

#[test]
fn document_tells_exactly_what_is_served() {
    let site = Site::new(&[]);
    let document = site.admin.get("/openapi.json").assert_ok().json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 12, "{paths:?}");
    for (template, item) in paths {
        let path = template.replace("{name}", "no-such-name").replace("{id}", "18446744073709551615");
        for method in METHODS {
            let told = &item[method.to_lowercase()];
            if (method, template.as_str()) == ("POST", "/admin/drain") {
                assert!(told.is_object());
                continue;
            }
            let answer = site.ask(method, &path, &[], b"");
            if told.is_object() {
                assert_ne!(answer.status, 405, "{method} {path}");
                assert!(
                    told["responses"][answer.status.to_string()].is_object(),
                    "{method} {path}: {answer:?}"
                );
                assert!(
                    answer.status < 400 || reason_is_told(told, &answer.json()),
                    "{method} {path}: {answer:?}"
                );
            } else {
                answer.assert_problem(405, "method_not_allowed");
            }
        }
    }
    site.admin.get("/admin/nothing").assert_problem(404, "not_found");
}

/// Whether the reason stands in the text of the status.
fn reason_is_told(told: &Value, problem: &Value) -> bool {
    let text = told["responses"][problem["status"].to_string()]["description"].as_str().unwrap_or_default();
    text.contains(&format!("`{}`", problem["reason"].as_str().unwrap_or_default()))
}

/// Each member of an answer is one that its schema names.
#[test]
fn answers_have_the_members_that_their_schemas_name() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let document = site.admin.get("/openapi.json").assert_ok().json();
    for (path, schema) in [
        ("/health", "Health"),
        ("/ready", "Readiness"),
        ("/admin/jobs", "JobList"),
        ("/admin/handlers", "HandlerList"),
        ("/admin/handlers/app", "HandlerInfo"),
        ("/admin/handlers/app/versions", "VersionList"),
        ("/admin/handlers/none", "Problem"),
    ] {
        let known =
            document["components"]["schemas"][schema]["properties"].as_object().expect(schema).clone();
        let answer = site.admin.get(path).json();
        let members = answer.as_object().expect("an object");
        for member in members.keys() {
            assert!(known.contains_key(member), "{path}: {member} is not in {schema}");
        }
        let required = document["components"]["schemas"][schema]["required"].as_array().expect("a list");
        for name in required {
            assert!(members.contains_key(name.as_str().expect("a name")), "{path}: {name} is missing");
        }
    }
}

#[test]
fn drain_can_be_asked_for() {
    let mut site = Site::new(&[]);
    let asked = site.ask("POST", "/admin/drain", &[], b"");
    assert_eq!(asked.status, 202);
    assert_eq!(site.server.wait().code(), Some(0));
    site.server.log.wait_for(&["audit", "drain"]);
    site.server.log.wait_for(&["drained"]);
}
