//! A document of a hundred kibibytes, as services send it: read, changed and written.

use serde_json::{Value, json};

use crate::numbers::Numbers;

/// How many orders are in the document.
const ORDERS: usize = 630;

pub(crate) fn work() -> String {
    let text = document();
    let mut orders: Vec<Value> = serde_json::from_str(&text).expect("json: it was written a moment ago");
    for order in &mut orders {
        let price = order["price"].as_f64().unwrap_or_default();
        let count = order["count"].as_u64().unwrap_or_default();
        order["total"] = json!(price * count as f64);
    }
    let written = Value::from(orders).to_string();
    format!("read {} bytes, wrote {}\n", text.len(), written.len())
}

/// Written without the library, so that it is the reading and not the making that takes time.
fn document() -> String {
    let order = |number: u64| {
        format!(
            r#"{{"id":"{number:016x}","name":"Teapot \u00e9mail\u00e9e no. {}","price":{}.25,"count":{},"tags":["tea","pot",null,true],"address":{{"city":"Ulm","zip":"89073"}}}}"#,
            number % 997,
            number % 89,
            number % 7
        )
    };
    let orders: Vec<_> = Numbers::default().take(ORDERS).map(order).collect();
    format!("[{}]", orders.join(","))
}
