//! Floats in JSON that survive the way there and back, the non-finite ones too.
//!
//! JSON has no NaN and no infinity: serde_json writes `null` for them and then refuses to read it. A loss
//! that diverged must come back from a journal as it was seen live, so these fields say
//! `#[serde(with = "crate::float")]` and write the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can stand in a field that says `#[serde(with = "crate::float")]`.
pub trait Floats: Sized {
    /// The form in JSON.
    type Json: Serialize + for<'de> Deserialize<'de>;
    /// To JSON.
    fn json(&self) -> Self::Json;
    /// From JSON; a sentence where a string is no number's name.
    fn parse(json: Self::Json) -> Result<Self, String>;
}

/// A number, or the name of one that JSON cannot write.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number<F> {
    /// Finite.
    Finite(F),
    /// `NaN`, `Infinity` or `-Infinity`.
    Named(String),
}

macro_rules! floats {
    ($float:ty) => {
        impl Floats for $float {
            type Json = Number<$float>;

            fn json(&self) -> Self::Json {
                if self.is_finite() {
                    Number::Finite(*self)
                } else if self.is_nan() {
                    Number::Named("NaN".into())
                } else if *self > 0.0 {
                    Number::Named("Infinity".into())
                } else {
                    Number::Named("-Infinity".into())
                }
            }

            fn parse(json: Self::Json) -> Result<Self, String> {
                match json {
                    Number::Finite(x) => Ok(x),
                    Number::Named(name) => match name.as_str() {
                        "NaN" => Ok(<$float>::NAN),
                        "Infinity" => Ok(<$float>::INFINITY),
                        "-Infinity" => Ok(<$float>::NEG_INFINITY),
                        _ => Err(format!("`{name}` is no number")),
                    },
                }
            }
        }
    };
}

floats!(f32);
floats!(f64);

impl<T: Floats> Floats for Vec<T> {
    type Json = Vec<T::Json>;

    fn json(&self) -> Self::Json {
        self.iter().map(T::json).collect()
    }

    fn parse(json: Self::Json) -> Result<Self, String> {
        json.into_iter().map(T::parse).collect()
    }
}

impl<T: Floats> Floats for (String, T) {
    type Json = (String, T::Json);

    fn json(&self) -> Self::Json {
        (self.0.clone(), self.1.json())
    }

    fn parse(json: Self::Json) -> Result<Self, String> {
        Ok((json.0, T::parse(json.1)?))
    }
}

/// For `#[serde(with)]`.
pub fn serialize<T: Floats, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.json().serialize(serializer)
}

/// For `#[serde(with)]`.
pub fn deserialize<'de, T: Floats, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::parse(T::Json::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Sample {
        #[serde(with = "crate::float")]
        one: f32,
        #[serde(with = "crate::float")]
        many: Vec<f64>,
        #[serde(with = "crate::float")]
        named: Vec<(String, f64)>,
    }

    #[test]
    fn every_float_comes_back_as_it_was() {
        let sample = Sample {
            one: f32::NAN,
            many: vec![f64::INFINITY, f64::NEG_INFINITY, 0.1 + 0.2, 1e-300, -0.0],
            named: vec![("digits".into(), f64::NAN), ("lower".into(), 0.25)],
        };
        let text = serde_json::to_string(&sample).unwrap();
        assert_eq!(
            text,
            r#"{"one":"NaN","many":["Infinity","-Infinity",0.30000000000000004,1e-300,-0.0],"named":[["digits","NaN"],["lower",0.25]]}"#
        );
        let back: Sample = serde_json::from_str(&text).unwrap();
        assert!(back.one.is_nan());
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.many), bits(&sample.many));
        assert!(back.named[0].1.is_nan());
        assert_eq!(back.named[1], ("lower".into(), 0.25));
    }

    #[test]
    fn whole_numbers_are_floats_and_other_words_are_refused() {
        let sample = |one: &str| {
            serde_json::from_str::<Sample>(&format!(r#"{{"one":{one},"many":[],"named":[]}}"#))
        };
        assert_eq!(sample("3").unwrap().one, 3.0);
        let error = sample(r#""much""#).err().unwrap().to_string();
        assert!(error.contains("`much` is no number"), "{error}");
    }

    /// serde_json rounds carelessly unless its feature `float_roundtrip` is on; an export of a replayed run
    /// must equal that of the live one.
    #[test]
    fn parsing_gives_the_nearest_float() {
        let key = crate::random::Key::new(5);
        for i in 0..20_000 {
            let x = f64::from_bits(key.bits(i));
            if x.is_finite() {
                let back: f64 = serde_json::from_str(&serde_json::to_string(&x).unwrap()).unwrap();
                assert_eq!(back.to_bits(), x.to_bits(), "{x:e}");
            }
        }
    }
}
