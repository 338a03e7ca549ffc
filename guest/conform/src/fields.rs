//! `fields`: what is in them, who may change them, and what they refuse.

use behaviours::wasip2::http::types::{Fields, HeaderError};

use crate::Check;
use crate::call::{Call, Outcome};

mod both;

pub(crate) use both::immutable;
use both::*;

pub(crate) const CHECKS: &[Check] = &[
    ("fields-new-are-empty", new_are_empty),
    ("fields-made-by-a-guest-are-mutable", made_are_mutable),
    ("fields-from-list-keep-every-pair", from_list_keeps_every_pair),
    ("fields-from-list-refuse-bad-syntax", from_list_refuses_bad_syntax),
    ("fields-from-list-refuse-the-forbidden", from_list_refuses_the_forbidden),
    ("fields-absent-are-an-empty-list", absent_are_an_empty_list),
    ("fields-empty-value-is-a-value", empty_value_is_a_value),
    ("fields-has-tells-presence", has_tells_presence),
    ("fields-names-ignore-case", names_ignore_case),
    ("fields-values-are-bytes", values_are_bytes),
    ("fields-set-replaces-all-values", set_replaces_all_values),
    ("fields-set-refuses-bad-syntax", set_refuses_bad_syntax),
    ("fields-delete-takes-all-values", delete_takes_all_values),
    ("fields-delete-of-the-absent-does-nothing", delete_of_the_absent),
    ("fields-delete-refuses-bad-syntax", delete_refuses_bad_syntax),
    ("fields-append-keeps-what-was-there", append_keeps_what_was_there),
    ("fields-append-refuses-bad-syntax", append_refuses_bad_syntax),
    ("fields-of-the-connection-are-forbidden", connections_own_are_forbidden),
    ("fields-entries-are-every-pair-in-order", entries_are_every_pair),
    ("fields-clone-is-deep", clone_is_deep),
];

fn list(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.entries()
}

fn delete_refuses_bad_syntax(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1")])?;
    for name in BAD_NAMES {
        invalid(&format!("{name:?}"), fields.delete(name))?;
    }
    Ok(())
}
