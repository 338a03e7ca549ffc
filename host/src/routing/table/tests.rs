//! What leads where, by example and against a model that tries every route.

use super::super::path::Segment;
use super::super::readings::encode;
use super::*;
use proptest::prelude::*;

fn table(routes: &[&str]) -> RouteTable<String> {
    let mut table = RouteTable::default();
    for line in routes {
        let route = line.parse().expect(line);
        table.insert(&route, Arc::new((*line).to_owned())).expect(line);
    }
    table
}

/// The route that a request is led to, or the miss.
fn led(table: &RouteTable<String>, request: &str) -> String {
    let (method, place) = request.split_once(' ').unwrap_or(("GET", request));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    match table.find(host, &method.parse().expect("a method"), path) {
        Ok(found) => found.target.to_string(),
        Err(Miss::Method(allow)) => format!("405 {allow}"),
        Err(Miss::NoRoute) => "404".to_owned(),
        Err(Miss::Ambiguous) => "400".to_owned(),
    }
}

#[track_caller]
fn check(routes: &[&str], requests: &[(&str, &str)]) {
    let table = table(routes);
    for (request, expected) in requests {
        assert_eq!(led(&table, request), *expected, "{request}");
    }
}

#[test]
fn the_most_specific_path_wins() {
    check(
        &[
            "/users/me",
            "/users/u-{id}",
            "/users/{id}",
            "/users/{*rest}",
            "/{*rest}",
            "*",
            "/a-{x}.txt",
            "/a{x}",
        ],
        &[
            ("/users/me", "/users/me"),
            ("/users/u-1", "/users/u-{id}"),
            ("/users/u-", "/users/{id}"),
            ("/users/7", "/users/{id}"),
            ("/users/7/x", "/users/{*rest}"),
            ("/users/me/x", "/users/{*rest}"),
            ("/users/", "/{*rest}"),
            ("/users", "/{*rest}"),
            ("/a-1.txt", "/a-{x}.txt"),
            ("/a-.txt", "/a{x}"),
            ("/", "*"),
        ],
    );
}

#[test]
fn a_search_goes_back_where_the_specific_branch_ends() {
    check(
        &["/a/b/c", "/a/{x}/d", "/{y}/b/e", "/a/{*rest}"],
        &[
            ("/a/b/c", "/a/b/c"),
            ("/a/b/d", "/a/{x}/d"),
            ("/x/b/e", "/{y}/b/e"),
            ("/a/b/f", "/a/{*rest}"),
            ("/a/b/e", "/a/{*rest}"),
            ("/x/b/f", "404"),
        ],
    );
}

#[test]
fn named_host_beats_those_above_it_and_any_and_leaves_them_what_it_has_not() {
    check(
        &["a.example/x", "*.example/x", "*.a.example/x", "/x", "/y", "*.b.example"],
        &[
            ("a.example/x", "a.example/x"),
            ("A.EXAMPLE./x", "a.example/x"),
            ("b.example/x", "*.example/x"),
            ("c.b.example/x", "*.b.example"),
            ("c.a.example/x", "*.a.example/x"),
            ("d.c.a.example/x", "*.a.example/x"),
            ("example/x", "/x"),
            ("a.example/y", "/y"),
            ("a.example/z", "404"),
        ],
    );
}

#[test]
fn methods_are_told_apart_and_others_are_listed() {
    check(
        &["GET,PUT /a", "POST /a", "/b", "PURGE /b", "HEAD /c"],
        &[
            ("GET /a", "GET,PUT /a"),
            ("HEAD /a", "GET,PUT /a"),
            ("POST /a", "POST /a"),
            ("DELETE /a", "405 GET, HEAD, POST, PUT"),
            ("OPTIONS /a", "405 GET, HEAD, POST, PUT"),
            ("OPTIONS /b", "/b"),
            ("PURGE /b", "PURGE /b"),
            ("GET /c", "405 HEAD"),
        ],
    );
}

/// No guest is asked for what another one is routed.
#[test]
fn a_path_of_several_readings_is_served_where_all_lead_to_the_same() {
    check(
        &["/admin/{*rest}", "/files/{*rest}", "/{*rest}", "/café"],
        &[
            ("/files/a%2Fb", "/files/{*rest}"),
            ("/files//a", "/files/{*rest}"),
            ("/files/a/../b", "/files/{*rest}"),
            ("/files/..%2Fadmin/x", "400"),
            ("//admin/x", "400"),
            ("/x/../admin/x", "400"),
            ("/admin%2fx", "400"),
            ("/admin\\x", "400"),
            ("/%61dmin/x", "/admin/{*rest}"),
            ("/caf%c3%a9", "/café"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/{*rest}"),
        ],
    );
}

#[test]
fn one_target_of_everything_is_asked_for_whatever_there_is() {
    let table = RouteTable::single(Arc::new("one".to_owned()));
    for request in ["/", "//a/../b", "OPTIONS *", "x/%zz"] {
        assert_eq!(led(&table, request), "one", "{request}");
    }
}

#[test]
fn routes_for_the_same_requests_are_a_conflict() {
    for (one, other, conflict) in [
        ("/a/{x}", "/a/{y}", true),
        ("/a/{x}", "/a/{*y}", false),
        ("/%61", "/a", true),
        ("*", "*", true),
        ("*", "/{*rest}", false),
        ("GET /a", "/a", false),
        ("GET,PUT /a", "PUT,POST /a", true),
        ("GET /a", "POST /a", false),
        ("A.example/a", "a.example/a", true),
        ("a.example/a", "*.example/a", false),
        ("/a", "/a/", false),
    ] {
        let mut table = RouteTable::default();
        table.insert(&one.parse().expect(one), Arc::new(one)).expect("the first");
        let inserted = table.insert(&other.parse().expect(other), Arc::new(other));
        let expected = if conflict { Err(Conflict { with: Arc::new(one) }) } else { Ok(()) };
        assert_eq!(inserted, expected, "{one} {other}");
    }
}

/// What a segment is worth: the more specific, the less.
fn rank(pattern: &Segment) -> (u8, usize, usize) {
    match pattern {
        Segment::Literal(_) => (0, 0, 0),
        Segment::Partly { prefix, suffix } => (1, usize::MAX - prefix.len(), usize::MAX - suffix.len()),
        Segment::One => (2, 0, 0),
        Segment::Rest => (3, 0, 0),
    }
}

fn fits(pattern: &PathPattern, path: &str) -> bool {
    let Some(patterns) = &pattern.segments else { return true };
    let segments: Vec<&str> = path[1..].split('/').collect();
    let fit = |(pattern, segment): (&Segment, &&str)| match pattern {
        Segment::Literal(text) => *text == encode(segment.as_bytes()),
        Segment::Partly { prefix, suffix } => {
            segment.len() > prefix.len() + suffix.len()
                && segment.starts_with(prefix.as_str())
                && segment.ends_with(suffix.as_str())
        }
        Segment::One => !segment.is_empty(),
        Segment::Rest => true,
    };
    let long_enough = match patterns.last() {
        Some(Segment::Rest) => {
            segments.len() > patterns.len()
                || segments.len() == patterns.len() && segments.last() != Some(&"")
        }
        Some(_) | None => segments.len() == patterns.len(),
    };
    long_enough && patterns.iter().zip(&segments).all(fit)
}

fn a_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "(/(a|b|\\{P\\}|a\\{P\\}|\\{P\\}b|aa\\{P\\})){1,4}(/|/\\{\\*P\\})?",
        1 => Just("/{*P}".to_owned()),
        1 => Just("/".to_owned()),
        1 => Just("*".to_owned()),
    ]
    .prop_map(|pattern| {
        // Parameters differ by their names.
        let mut parts = pattern.split('P');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.enumerate().fold(first, |text, (number, part)| format!("{text}p{number}{part}"))
    })
}

proptest! {
    #[test]
    fn the_tree_leads_where_the_most_specific_of_all_fitting_patterns_does(
        patterns in prop::collection::vec(a_pattern(), 1..30),
        paths in prop::collection::vec("(/(a|b|c|ab|aab|ac|cb)){1,5}/?", 1..30),
    ) {
        let mut table = RouteTable::default();
        let mut routes: Vec<PathPattern> = Vec::new();
        for pattern in patterns {
            let route: Route = pattern.parse().expect("a route");
            let conflict = routes.contains(&route.path);
            let inserted = table.insert(&route, Arc::new(routes.len()));
            prop_assert_eq!(inserted.is_err(), conflict, "every conflict is found, and none else");
            if !conflict {
                routes.push(route.path);
            }
        }
        for path in paths {
            let ranks = |pattern: &PathPattern| {
                let segments = pattern.segments.as_ref();
                (segments.is_none(), segments.map(|all| all.iter().map(rank).collect::<Vec<_>>()))
            };
            let fitting = routes.iter().enumerate().filter(|(_, pattern)| fits(pattern, &path));
            let expected = fitting.min_by_key(|(_, pattern)| ranks(pattern)).map(|(number, _)| number);
            let found = table.find("", &Method::GET, &path).ok().map(|found| **found.target);
            prop_assert_eq!(found, expected, "{}", path);
        }
    }
}
