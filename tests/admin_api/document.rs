//! An OpenAPI document, read as strictly as its readers need it.
use crate::harness::Server;
use serde_json::Value;
use std::collections::BTreeSet;

/// The document a server serves.
pub struct Document(Value);

impl Document {
    pub fn of(server: &Server) -> Self {
        let (status, document) = server.get("/api/v1/openapi.json");
        assert_eq!(status, 200);
        Self(document)
    }

    /// Every path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let paths = self.0["paths"].as_object().expect("paths");
        assert!(paths.len() > 8, "{paths:?}");
        paths.keys().map(String::as_str)
    }

    pub fn has(&self, path: &str, method: &str) -> bool {
        self.operation(path, method).is_object()
    }

    /// Whether an operation needs no token.
    pub fn is_open(&self, path: &str, method: &str) -> bool {
        self.operation(path, method)["security"] == serde_json::json!([{}])
    }

    /// The statuses an operation may answer.
    pub fn statuses(&self, path: &str, method: &str) -> BTreeSet<u16> {
        let responses = self.operation(path, method)["responses"].as_object();
        let statuses = responses.expect("responses").keys();
        statuses
            .map(|status| status.parse().expect("a number"))
            .collect()
    }

    /// What is wrong with an answer.
    pub fn unfit_answer(
        &self,
        path: &str,
        method: &str,
        status: u16,
        answer: &Value,
    ) -> Vec<String> {
        let response = &self.operation(path, method)["responses"][status.to_string()];
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} {status}: {response}");
        self.unfit("", schema, answer)
    }

    /// What is wrong with the document of an order.
    pub fn unfit_order(&self, path: &str, method: &str, order: &Value) -> Vec<String> {
        let body = &self.operation(path, method)["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path}: {body}");
        self.unfit("", schema, order)
    }

    fn operation(&self, path: &str, method: &str) -> &Value {
        &self.0["paths"][path][method.to_lowercase()]
    }

    /// Where `value` is not what `schema` says: required, undocumented, or of another type.
    fn unfit(&self, at: &str, schema: &Value, value: &Value) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.trim_start_matches("#/components/schemas/");
            let schema = &self.0["components"]["schemas"][name];
            assert!(schema.is_object(), "the document lacks `{name}`");
            return self.unfit(at, schema, value);
        }
        if !is_one_of(&schema["type"], type_of(value)) {
            return vec![format!("{at}: {value} is no {}", schema["type"])];
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.contains(value)
        {
            return vec![format!("{at}: {value} is none of {known:?}")];
        }
        match value {
            Value::Array(items) => {
                let items = items.iter();
                items
                    .flat_map(|item| self.unfit(&format!("{at}[]"), &schema["items"], item))
                    .collect()
            }
            Value::Object(fields) => {
                let properties = &schema["properties"];
                let mut unfit = Vec::new();
                for name in schema["required"].as_array().into_iter().flatten() {
                    let name = name.as_str().expect("a name");
                    if !fields.contains_key(name) {
                        unfit.push(format!("{at}.{name} is missing"));
                    }
                }
                for (name, field) in fields {
                    let at = format!("{at}.{name}");
                    match properties[name].is_object() {
                        true => unfit.extend(self.unfit(&at, &properties[name], field)),
                        false => unfit.push(format!("{at} is not documented")),
                    }
                }
                unfit
            }
            _ => Vec::new(),
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_one_of(types: &Value, found: &str) -> bool {
    match types {
        Value::Array(types) => types.iter().any(|one| one == found),
        one => one == found,
    }
}
