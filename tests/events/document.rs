//! The document, and that it says what the code says.

use std::{collections::BTreeSet, fs};

use jsonschema::Validator;
use serde_json::{Value, json};
use watchme::adapters::bus::jetstream as code;
use watchme_actors::domain::{PARTITIONS, UserId};

use crate::samples;

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(format!("{}/nats/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn document() -> Value {
    serde_saphyr::from_str(&text("asyncapi.yaml")).unwrap()
}

/// Where `#/a/b` points.
fn resolved<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').unwrap();
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} points nowhere"))
}

fn validator(document: &Value, mut schema: Value) -> Validator {
    if let Some(schema) = schema.as_object_mut() {
        // References are from the root of the document.
        schema.insert("components".to_owned(), document["components"].clone());
    }
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

/// The validators of a message's payload and of its headers. With `closed`, fields that the
/// document does not name are wrong: subscribers ignore them, but we would have forgotten them.
pub(crate) fn validators(name: &str, closed: bool) -> (Validator, Validator) {
    let mut document = document();
    if closed {
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        let shared = ["CloudEvent", "WatchEvent", "WatchData"];
        for (_, schema) in schemas.iter_mut().filter(|(name, _)| !shared.contains(&name.as_str())) {
            if schema.get("properties").is_some() {
                schema["unevaluatedProperties"] = json!(false);
            }
        }
    }
    let message = document["components"]["messages"][name].clone();
    assert!(message.is_object(), "{name}");
    let headers = message.get("headers").cloned().unwrap_or(Value::Bool(true));
    (validator(&document, message["payload"]["schema"].clone()), validator(&document, headers))
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str() {
                    Some(reference) if name == "$ref" => found.push(reference.to_owned()),
                    _ => references(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_used() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut all = Vec::new();
    references(&document, &mut all);
    for reference in &all {
        resolved(&document, reference);
    }
    let used: BTreeSet<_> = all.into_iter().collect();
    for part in ["messages", "schemas"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            let reference = format!("#/components/{part}/{name}");
            assert!(used.contains(&reference), "{reference} is used nowhere");
        }
    }
    for channel in document["channels"].as_object().unwrap().keys() {
        assert!(used.contains(&format!("#/channels/{channel}")), "{channel} has no operation");
    }
}

#[test]
fn addresses_are_those_of_the_code() {
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    let addresses: BTreeSet<_> =
        channels.values().map(|it| it["address"].as_str().unwrap()).collect();
    let expected = [
        code::WATCH_SUBJECTS,
        code::DEAD_SUBJECTS,
        code::VIEWED_SUBJECTS,
        code::CHANGE_SUBJECT,
        code::HEARTBEAT_SUBJECTS,
    ];
    assert_eq!(addresses, expected.into());
    for channel in channels.values() {
        let address = channel["address"].as_str().unwrap();
        let named: BTreeSet<_> = address
            .split('.')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = channel["parameters"].as_object();
        let described: BTreeSet<_> =
            parameters.into_iter().flat_map(|it| it.keys()).map(String::as_str).collect();
        assert_eq!(named, described, "{address}");
    }
    let partitions: Vec<String> = (0..PARTITIONS).map(|number| number.to_string()).collect();
    for channel in ["watch", "dead"] {
        assert_eq!(channels[channel]["parameters"]["partition"]["enum"], json!(partitions));
    }
}

#[test]
fn types_and_kinds_are_those_of_the_code() {
    let document = document();
    let kinds: BTreeSet<_> =
        samples::events(UserId::generate()).iter().map(|event| event.change.kind()).collect();
    let watch = &document["channels"]["watch"];
    let described: BTreeSet<_> = watch["parameters"]["kind"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind.as_str().unwrap())
        .collect();
    assert_eq!(kinds, described);
    let messages = watch["messages"].as_object().unwrap();
    assert_eq!(messages.keys().map(String::as_str).collect::<BTreeSet<_>>(), described);
    for (kind, message) in messages {
        let message = resolved(&document, message["$ref"].as_str().unwrap());
        let name = message["name"].as_str().unwrap();
        assert_eq!(name, format!("{}.{kind}", code::WATCH_TYPE));
        let schema = resolved(&document, message["payload"]["schema"]["$ref"].as_str().unwrap());
        assert_eq!(schema["properties"]["type"]["const"], name);
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Viewed"]["properties"]["type"]["const"], code::VIEWED_TYPE);
    assert_eq!(schemas["CloudEvent"]["properties"]["source"]["const"], code::SOURCE);
    for header in [code::HEADER_REASON, code::HEADER_SUBJECT, code::HEADER_MESSAGE_ID] {
        assert!(schemas["DeadHeaders"]["properties"][header].is_object(), "{header}");
    }
}

#[test]
fn streams_and_consumers_are_those_that_are_declared() {
    let document = document();
    for channel in ["watch", "dead"] {
        let channel = &document["channels"][channel];
        let stream = &channel["x-jetstream"];
        let declared: Value =
            serde_json::from_str(&text(stream["declared"].as_str().unwrap())).unwrap();
        assert_eq!(declared["name"], stream["stream"]);
        let (fixed, _) = channel["address"].as_str().unwrap().split_once('{').unwrap();
        assert_eq!(declared["subjects"], json!([format!("{fixed}>")]));
    }
    let fold = &document["operations"]["foldWatchEvent"]["x-jetstream"];
    let declared: Value = serde_json::from_str(&text(fold["declared"].as_str().unwrap())).unwrap();
    assert_eq!(declared["durable_name"], fold["consumer"]);
}
