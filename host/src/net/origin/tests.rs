//! Who is believed, about what, and how far back.

use super::*;
use http::Request;

const PEER: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// What becomes of `fields` that come from `peer`; 10.0.0.0/8 is trusted.
fn of(forwarded_by: ForwardedBy, peer: Option<&str>, fields: &[(&str, &str)]) -> Result<Origin, Reason> {
    let mut request = Request::builder().uri("/").header(HOST, "a.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let head = request.body(()).expect("a request").into_parts().0;
    let link = Link { local: None, peer: peer.map(|peer| ip(peer).into()), scheme: Scheme::HTTP };
    let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
    Origin::of(&head, &link, &ProxyConfig { trusted, forwarded_by })
}

#[track_caller]
fn check(found: Result<Origin, Reason>, client: Option<&str>, scheme: &str, authority: &str) {
    let found = found.expect("an origin");
    assert_eq!(found.client.map(|client| client.address), client.map(ip));
    assert_eq!((found.scheme.as_str(), found.authority.as_str()), (scheme, authority));
}

#[test]
fn nobody_is_believed_but_trusted_proxies() {
    let fields = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b.example"),
        ("forwarded", "for=192.0.2.2;proto=https;host=c.example"),
    ];
    for by in [ForwardedBy::XForwarded, ForwardedBy::Forwarded] {
        check(of(by, Some("203.0.113.9"), &fields), Some("203.0.113.9"), "http", "a.example");
    }
    let (one, other) = (ForwardedBy::XForwarded, ForwardedBy::Forwarded);
    for peer in [Some(PEER), Some("::ffff:10.0.0.1"), None] {
        check(of(one, peer, &fields), Some("192.0.2.1"), "https", "b.example");
        check(of(other, peer, &fields), Some("192.0.2.2"), "https", "c.example");
    }
}

#[test]
fn the_trail_ends_at_the_first_who_is_not_trusted() {
    let by = ForwardedBy::XForwarded;
    for (trail, client) in [
        ("198.51.100.1, 192.0.2.1", "192.0.2.1"),
        ("198.51.100.1, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("", PEER),
        ("<script>", PEER),
    ] {
        check(of(by, Some(PEER), &[("x-forwarded-for", trail)]), Some(client), "http", "a.example");
    }
    let split = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "10.0.0.2")];
    check(of(by, Some(PEER), &split), Some("192.0.2.1"), "http", "a.example");
    let forwarded = "for=198.51.100.1;proto=http, for=\"[2001:db8::1]:4711\" ; Proto=HTTPS;host=\"b.example:81\", \
                     for=10.0.0.2;by=_a";
    check(
        of(ForwardedBy::Forwarded, Some(PEER), &[("forwarded", forwarded)]),
        Some("2001:db8::1"),
        "https",
        "b.example:81",
    );
    // What a client wrote before its proxy did is not looked at.
    let forged = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https, http")];
    check(of(by, Some(PEER), &forged), Some("192.0.2.1"), "http", "a.example");
}

#[test]
fn what_a_trusted_proxy_cannot_mean_is_refused() {
    for (name, value) in [
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "user@b.example"),
        ("x-forwarded-host", "b example"),
    ] {
        assert_eq!(
            of(ForwardedBy::XForwarded, Some(PEER), &[(name, value)]),
            Err(Reason::BadRequest),
            "{value}"
        );
    }
    let open = [("forwarded", "for=\"192.0.2.1, for=192.0.2.2")];
    assert_eq!(of(ForwardedBy::Forwarded, Some(PEER), &open), Err(Reason::BadRequest));
}

#[test]
fn one_truth_is_told() {
    let mut request = Request::builder().uri("http://a.example/x?y");
    for claim in &CLAIMS {
        request = request.header(claim, "forged").header(claim, "twice");
    }
    let mut head = request.header(HOST, "a.example").body(()).expect("a request").into_parts().0;
    let (client, authority) = (Some(ip("2001:db8::1").into()), "b.example".parse().expect("an authority"));
    Origin { client, scheme: Scheme::HTTPS, authority }.tell(&mut head);
    assert_eq!(head.uri, "/x?y");
    assert_eq!(head.extensions.get(), Some(&Scheme::HTTPS));
    let mut told: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "forwarded: for=\"[2001:db8::1]\";proto=https;host=\"b.example\"",
            "host: b.example",
            "x-forwarded-for: 2001:db8::1",
            "x-forwarded-host: b.example",
            "x-forwarded-proto: https",
        ]
    );
}
