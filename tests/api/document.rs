//! Holds answers against the OpenAPI document.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Client, TestApp};

/// The description of a route.
pub(crate) fn operation<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    &document["paths"][path][method.to_lowercase().as_str()]
}

/// What is wrong with a value by a schema: enough of JSON Schema for the schemas that are there,
/// and stricter in that a property has to be described.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(&reference[1..]).expect("a reference leads somewhere");
        return faults(document, target, value, place, found);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let fits = choices.iter().any(|choice| {
            let mut found = Vec::new();
            faults(document, choice, value, place, &mut found);
            found.is_empty()
        });
        if !fits {
            found.push(format!("{place}: fits none of the choices: {value}"));
        }
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.contains(&is) || (is == "integer" && types.contains(&"number"));
    if !types.is_empty() && !fits {
        found.push(format!("{place}: is {is}, not {types:?}"));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{place}: {value} is none of {words:?}"));
    }
    for (limit, exceeds) in [("minimum", -1.0), ("maximum", 1.0)] {
        if let (Some(limit), Some(number)) = (schema[limit].as_f64(), value.as_f64())
            && (number - limit) * exceeds > 0.0
        {
            found.push(format!("{place}: {number} is beyond {limit}"));
        }
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                faults(document, &schema["items"], item, &format!("{place}[{index}]"), found);
            }
        }
        Value::Object(fields) => {
            let mut known: Vec<(&String, &Value)> = Vec::new();
            let mut required: Vec<&str> = Vec::new();
            gather(document, schema, &mut known, &mut required);
            let open = &schema["additionalProperties"];
            for (name, value) in fields {
                let inner = format!("{place}.{name}");
                match known.iter().find(|(found, _)| *found == name) {
                    Some((_, schema)) => faults(document, schema, value, &inner, found),
                    None if open.is_object() => faults(document, open, value, &inner, found),
                    None if known.is_empty() => {}
                    None => found.push(format!("{inner} is not described")),
                }
            }
            for name in required {
                if !fields.contains_key(name) {
                    found.push(format!("{place}.{name} is missing"));
                }
            }
        }
        _ => {}
    }
}

/// The properties of an object's schema, those of its `allOf` included.
fn gather<'a>(
    document: &'a Value,
    schema: &'a Value,
    known: &mut Vec<(&'a String, &'a Value)>,
    required: &mut Vec<&'a str>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(&reference[1..]).expect("a reference leads somewhere");
        return gather(document, target, known, required);
    }
    known.extend(schema["properties"].as_object().into_iter().flatten());
    required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    for part in schema["allOf"].as_array().into_iter().flatten() {
        gather(document, part, known, required);
    }
}

/// Holds answers against the document.
pub(crate) struct Checker {
    pub(crate) document: Value,
    faults: Vec<String>,
    seen: BTreeSet<(String, u16)>,
}

impl Checker {
    pub(crate) async fn new(app: &TestApp) -> Self {
        let document = app.client.get("//api/openapi.json").await.expect(200);
        Self { document, faults: vec![], seen: BTreeSet::new() }
    }

    fn check(&mut self, method: &str, path: &str, answer: &Answer) {
        let name = format!("{method} {path} -> {}", answer.status);
        self.seen.insert((format!("{method} {path}"), answer.status));
        let operation = operation(&self.document, method, path);
        let response = &operation["responses"][answer.status.to_string().as_str()];
        if response.is_null() {
            self.faults.push(format!("{name} is not documented: {}", answer.text()));
            return;
        }
        let kind = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
        if answer.bytes.is_empty() {
            if !response["content"].is_null() && answer.status != 304 {
                self.faults.push(format!("{name} has no body"));
            }
            return;
        }
        let content = &response["content"][kind.as_str()];
        if content.is_null() {
            self.faults.push(format!("{name}: {kind} is not documented"));
            return;
        }
        if answer.status >= 400 && path != "/health" {
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            if content["examples"][code.as_str()].is_null() {
                self.faults.push(format!("{name}: the code `{code}` is not documented"));
            }
        }
        if kind.ends_with("json") {
            let mut found = Vec::new();
            faults(&self.document, &content["schema"], &answer.json(), "", &mut found);
            self.faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }

    /// Sends a request to a path of the table, its places filled, and checks the answer.
    pub(crate) async fn send(
        &mut self,
        client: &Client,
        method: &str,
        path: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let name: Method = method.parse().unwrap();
        let body = body.map(|it| it.as_bytes().to_vec());
        let answer = client.send(name, &format!("/{url}"), headers, body).await.unwrap();
        self.check(method, path, &answer);
        answer
    }

    /// The statuses that came from each route; insists that nothing was wrong.
    pub(crate) fn report(self) -> BTreeSet<(String, u16)> {
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
        self.seen
    }
}
