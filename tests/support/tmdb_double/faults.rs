//! Answers that are not what TMDb documents.

use std::io;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Bytes,
};
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

pub(super) const DAMAGED_ROWS: usize = 16;
pub(super) const UNREADABLE_ROWS: usize = 7;

/// TMDb's error body.
pub(super) fn refusal(status: StatusCode, code: i64, message: &str) -> HttpResponse {
    HttpResponse::build(status)
        .json(json!({ "success": false, "status_code": code, "status_message": message }))
}

pub(super) fn status(status: u16) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap();
    let (code, message) = match status.as_u16() {
        400 => (22, "Invalid page: Pages start at 1 and max at 500."),
        401 => (7, "Invalid API key: You must be granted a valid key."),
        404 => (34, "The resource you requested could not be found."),
        429 => (25, "Your request count (#) is over the allowed limit of (40)."),
        503 => (9, "Service offline: This service is temporarily offline, try again later."),
        _ => (11, "Internal error: Something went wrong, contact TMDb."),
    };
    refusal(status, code, message)
}

pub(super) fn limited(retry_after: Option<&str>) -> HttpResponse {
    let mut response = status(429);
    if let Some(value) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, value.parse().unwrap());
    }
    response
}

pub(super) fn html(status: u16) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap())
        .content_type("text/html; charset=utf-8")
        .body("<!DOCTYPE html><title>Sign in</title><p>This network wants you to sign in.</p>")
}

/// The length of the whole, half of the bytes, and the end of the connection.
pub(super) fn half_body(body: &str) -> HttpResponse {
    let half = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    let cut = stream::once(async {
        // Lets the first half go out before the connection breaks.
        tokio::task::yield_now().await;
        Err(io::Error::other("cut by the double"))
    });
    HttpResponse::Ok()
        .content_type("application/json")
        // Compressing would change the length.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .no_chunking(body.len() as u64)
        .streaming(stream::iter([Ok(half)]).chain(cut))
}

/// Damages the first rows of a page; leaves other answers alone.
pub(super) fn wrong_fields(answer: &mut Value) {
    let Some(rows) = answer.get_mut("results").and_then(Value::as_array_mut) else {
        return;
    };
    for (index, row) in rows.iter_mut().enumerate() {
        match index {
            // Unreadable.
            0 => row["id"] = Value::Null,
            1 => drop(row.as_object_mut().unwrap().remove("title")),
            2 => row["title"] = Value::Null,
            3 => row["title"] = json!(" \u{0} "),
            4 => *row = json!("not an object"),
            5 => row["id"] = json!(-5),
            6 => row["id"] = json!(4_294_967_296_i64),
            // Odd.
            7 => row["genre_ids"] = json!([28, 999_999, -1, "x", null, 3.5]),
            8 => row["genre_ids"] = Value::Null,
            9 => row["release_date"] = json!(""),
            10 => row["release_date"] = json!("9999-99-99"),
            11 => {
                row["vote_average"] = json!(42.0);
                row["vote_count"] = json!(-3);
                row["popularity"] = json!("NaN");
            }
            12 => row["title"] = json!("x".repeat(2_000)),
            13 => row["title"] = json!("<script>alert(1)</script>\u{1b}[31m\r\n\tred"),
            14 => row["poster_path"] = json!("//evil.example/x.jpg"),
            15 => {
                let fields = row.as_object_mut().unwrap();
                fields.retain(|name, _| name == "id" || name == "title");
            }
            _ => break,
        }
    }
}

/// Blanks, in the ways they come.
pub(super) fn blank_names(answer: &mut Value) {
    for (genre, blank) in answer["genres"].as_array_mut().unwrap().iter_mut().zip([
        json!(""),
        json!("  "),
        Value::Null,
    ]) {
        genre["name"] = blank;
    }
}
