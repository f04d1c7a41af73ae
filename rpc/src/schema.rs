//! JSON Schema of everything that crosses the wire, built from the types themselves.
//!
//! # Invariants
//! A type's serde form and its schema come from one listing (the macros here), so that the
//! published document cannot drift from what is read and written.
//!
//! # Spec
//! docs/spec/07-rpc.md §2
//!
//! # Not here
//! The OpenRPC document around the schemas: [`crate::discover`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Named schemas that others refer to: `components.schemas` of the document.
#[derive(Debug, Default)]
pub struct SchemaBook(BTreeMap<&'static str, Value>);

impl SchemaBook {
    /// A reference to the schema `name`, which `build` writes when it is asked for the first time.
    pub fn refer(&mut self, name: &'static str, build: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.0.contains_key(name) {
            self.0.insert(name, Value::Null);
            let schema = build(self);
            self.0.insert(name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// All schemas by name.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
            .into_iter()
            .map(|(name, schema)| (name.to_owned(), schema))
            .collect()
    }
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
}

/// A type with a JSON form that the document describes.
pub trait Described {
    /// Whether a member of this type must be there.
    const PRESENCE: Presence = Presence::Required;

    /// The schema, or a reference to it; leaves carry an example.
    fn schema(book: &mut SchemaBook) -> Value;

    /// Whether this value is left out of its object.
    fn is_absent(&self) -> bool {
        false
    }
}

/// One named parameter of a method, or one member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Name on the wire.
    pub name: &'static str,
    /// What it means.
    pub summary: &'static str,
    /// Whether it must be given.
    pub presence: Presence,
    /// Its form.
    pub schema: Value,
}

/// An object whose members are the named parameters of a method.
pub trait Parameters {
    /// Names on the wire.
    const NAMES: &'static [&'static str];

    /// The parameters in their order.
    fn members(book: &mut SchemaBook) -> Vec<Member>;
}

/// The schema of an object with `members`.
pub(crate) fn object_schema(summary: &str, members: Vec<Member>) -> Value {
    let required: Vec<&str> = members
        .iter()
        .filter(|member| member.presence == Presence::Required)
        .map(|member| member.name)
        .collect();
    let properties: BTreeMap<&str, Value> = members
        .iter()
        .map(|member| (member.name, described(member)))
        .collect();
    json!({
        "type": "object",
        "description": summary.trim(),
        "required": required,
        "properties": properties,
    })
}

/// The schema of a member with its meaning beside it.
fn described(member: &Member) -> Value {
    match &member.schema {
        Value::Object(schema) if !schema.contains_key("$ref") => {
            let mut schema = schema.clone();
            schema.insert("description".to_owned(), Value::from(member.summary.trim()));
            Value::Object(schema)
        }
        reference => json!({ "description": member.summary.trim(), "allOf": [reference] }),
    }
}

/// Declares a JSON object: struct, serde form and schema.
macro_rules! object {
    (
        $(#[doc = $doc:literal])+ $(#[serde($serde:ident)])? $name:ident {
            $($(#[doc = $member_doc:literal])+ $member:ident: $type:ty,)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $(#[serde($serde)])?
        pub struct $name {
            $(
                $(#[doc = $member_doc])+
                #[serde(skip_serializing_if = "crate::schema::Described::is_absent")]
                pub $member: $type,
            )*
        }

        impl crate::schema::Parameters for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($member)),*];

            fn members(book: &mut crate::schema::SchemaBook) -> Vec<crate::schema::Member> {
                vec![$(crate::schema::Member {
                    name: stringify!($member),
                    summary: concat!($($member_doc),+).trim_ascii_start(),
                    presence: <$type as crate::schema::Described>::PRESENCE,
                    schema: <$type as crate::schema::Described>::schema(book),
                }),*]
            }
        }

        impl crate::schema::Described for $name {
            fn schema(book: &mut crate::schema::SchemaBook) -> serde_json::Value {
                book.refer(stringify!($name), |book| {
                    let members = <Self as crate::schema::Parameters>::members(book);
                    crate::schema::object_schema(concat!($($doc),+), members)
                })
            }
        }
    };
}

/// Declares objects that answers are made of; readers skip members they do not know.
macro_rules! answers {
    ($($(#[doc = $doc:literal])+ $name:ident { $($members:tt)* })*) => {
        $(crate::schema::object! { $(#[doc = $doc])+ $name { $($members)* } })*
    };
}

/// Declares objects that hold parameters; unknown members are refused.
macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $name:ident { $($members:tt)* })*) => {
        $(crate::schema::object! {
            $(#[doc = $doc])+ #[serde(deny_unknown_fields)] $name { $($members)* }
        })*
    };
}

/// Declares an enumeration of fixed words.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident {
        $($(#[doc = $word_doc:literal])+ $word:ident = $text:literal,)+
    })*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[doc = $word_doc])+ #[serde(rename = $text)] $word,)+
        }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }
        }

        impl crate::schema::Described for $name {
            fn schema(_: &mut crate::schema::SchemaBook) -> serde_json::Value {
                let words = [$($text),+];
                serde_json::json!({ "type": "string", "enum": words, "examples": [words[0]] })
            }
        }
    )*};
}

pub(crate) use {answers, object, parameters, words};

/// Describes types that are JSON leaves.
macro_rules! leaves {
    ($($type:ty => $schema:tt;)*) => {$(
        impl Described for $type {
            fn schema(_: &mut SchemaBook) -> Value {
                json!($schema)
            }
        }
    )*};
}

leaves! {
    bool => { "type": "boolean", "examples": [true] };
    u8 => { "type": "integer", "minimum": 0, "maximum": 255, "examples": [1] };
    u32 => { "type": "integer", "minimum": 0, "maximum": 4_294_967_295u32, "examples": [1] };
    u64 => { "type": "integer", "minimum": 0, "examples": [1] };
    String => { "type": "string", "examples": ["text"] };
    () => { "type": "null", "examples": [null] };
    Value => { "type": "object", "examples": [{}] };
}

impl<T: Described> Described for Option<T> {
    const PRESENCE: Presence = Presence::Optional;

    fn schema(book: &mut SchemaBook) -> Value {
        T::schema(book)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema(book: &mut SchemaBook) -> Value {
        json!({ "type": "array", "items": T::schema(book) })
    }
}

/// A value that fits `schema`, taken from the examples of its leaves.
#[cfg(test)]
pub(crate) fn sample(schema: &Value, book: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference
            .rsplit('/')
            .next()
            .expect("a reference has a name");
        return sample(&book[name], book);
    }
    if let Some(example) = schema["examples"].get(0) {
        return example.clone();
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(choice) = schema["oneOf"].get(0) {
        return sample(choice, book);
    }
    let mut members = serde_json::Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match sample(part, book) {
            Value::Object(part) => members.extend(part),
            leaf => return leaf,
        }
    }
    match schema["type"].as_str() {
        Some("array") => Value::from(vec![sample(&schema["items"], book)]),
        _ => {
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                members.insert(name.clone(), sample(member, book));
            }
            Value::Object(members)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BanStatus, BlockReference};

    fn ban(address: Option<String>) -> BanStatus {
        BanStatus {
            peer_id: "p".to_owned(),
            address,
            reason: "r".to_owned(),
            until_ms: 4,
        }
    }

    #[test]
    fn an_absent_member_is_left_out_and_an_unknown_one_is_skipped_in_answers_only() {
        let text = json!({ "peer_id": "p", "reason": "r", "until_ms": 4 });
        assert_eq!(serde_json::to_value(ban(None)).ok(), Some(text.clone()));
        let newer = json!({ "peer_id": "p", "reason": "r", "until_ms": 4, "colour": "red" });
        assert_eq!(
            serde_json::from_value::<BanStatus>(newer).ok(),
            Some(ban(None))
        );
        let id = "0b".repeat(32);
        let known = json!({ "id": id });
        assert!(serde_json::from_value::<BlockReference>(known).is_ok());
        let unknown = json!({ "id": id, "colour": "red" });
        assert!(serde_json::from_value::<BlockReference>(unknown).is_err());
    }

    #[test]
    fn schemas_name_members_and_what_is_required() {
        let mut book = SchemaBook::default();
        let reference = json!({ "$ref": "#/components/schemas/BanStatus" });
        assert_eq!(BanStatus::schema(&mut book), reference);
        let book = book.into_value();
        let schema = &book["BanStatus"];
        assert_eq!(schema["required"], json!(["peer_id", "reason", "until_ms"]));
        assert_eq!(
            schema["properties"]["reason"]["description"],
            "The rule it broke."
        );
        assert_eq!(BlockReference::NAMES, ["id"]);
    }

    #[test]
    fn a_sample_is_read_back_with_every_member() {
        let mut book = SchemaBook::default();
        let schema = BanStatus::schema(&mut book);
        let sample = sample(&schema, &book.into_value());
        let ban: BanStatus = serde_json::from_value(sample).expect("the sample fits");
        assert_eq!((ban.address.as_deref(), ban.until_ms), (Some("text"), 1));
    }
}
