//! Answers method, scheme, authority, path and headers, one a line, as it finds them.
//!
//! Claim: a guest sees the request as it was sent.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let mut text = format!(
        "method {:?}\nscheme {:?}\nauthority {:?}\npath {:?}\n",
        request.get_method(),
        request.get_scheme(),
        request.get_authority(),
        request.get_path_with_query(),
    );
    for (name, value) in request.get_headers().copy_all() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    Ok(answer(200, text))
}
