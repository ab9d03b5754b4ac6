//! Says of texts and numbers in the OpenAPI document what attributes cannot say.

use serde_json::{Map, Value, json};

/// One line of text, not blank, as `bounded_line` takes it.
const LINE: &str =
    r"^\s*[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?\s*$";
const EMAIL: &str = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$";

/// Walks the whole document.
pub(crate) fn refine(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(refine),
        Value::Object(object) => {
            parameter(object);
            optional_body(object);
            text(object);
            object.values_mut().for_each(refine);
        }
        _ => {}
    }
}

fn parameter(object: &mut Map<String, Value>) {
    let Some(name) = object.get("name").and_then(Value::as_str).map(str::to_owned) else { return };
    let Some(schema) = object.get_mut("schema").and_then(Value::as_object_mut) else { return };
    match name.as_str() {
        // Clamped or beyond the end, however large.
        "pageNumber" | "pageSize" => {
            schema.remove("format");
        }
        "Idempotency-Key" => {
            schema.insert("type".to_owned(), json!("string"));
            schema.insert("pattern".to_owned(), json!("^[!-~]+$"));
        }
        "If-Match" => {
            schema.insert("pattern".to_owned(), json!("^\"[0-9]+\"$"));
        }
        _ => {}
    }
}

/// A body that may be left out is not `null` when it is there.
fn optional_body(object: &mut Map<String, Value>) {
    let Some(body) = object.get_mut("requestBody").and_then(Value::as_object_mut) else { return };
    let schema = body
        .get_mut("content")
        .and_then(|content| content.pointer_mut("/application~1json/schema"));
    let Some(schema) = schema else { return };
    let one_of = schema.get("oneOf").and_then(Value::as_array);
    let optional = one_of.is_some_and(|kinds| kinds.contains(&json!({ "type": "null" })));
    let given = one_of.and_then(|kinds| kinds.iter().find(|kind| kind.get("$ref").is_some()));
    if let Some(given) = given.cloned()
        && optional
    {
        *schema = given;
        body.insert("required".to_owned(), json!(false));
    }
}

fn text(object: &mut Map<String, Value>) {
    if object.get("type") != Some(&json!("string")) || object.contains_key("pattern") {
        return;
    }
    match object.get("format").and_then(Value::as_str) {
        Some("email") => {
            object.insert("pattern".to_owned(), json!(EMAIL));
        }
        Some("date-or-time") => {
            object.remove("format");
            let kinds = json!([{ "format": "date" }, { "format": "date-time" }]);
            object.insert("anyOf".to_owned(), kinds);
        }
        None if object.get("minLength") == Some(&json!(1)) => {
            object.insert("pattern".to_owned(), json!(LINE));
        }
        _ => {}
    }
}
