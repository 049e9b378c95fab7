//! CLIP's text encoder (Radford et al., "Learning transferable visual models from natural language supervision", ICML
//! 2021): how near two words are by what pictures go with them. The model is candle-transformers', from a checkpoint in
//! the layout of the Hugging Face hub.

use std::path::Path;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::text_model::{
    Activation, ClipTextConfig, ClipTextTransformer,
};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::{Error, Result, files};

/// What a text is embedded as: the first of the prompts of the paper.
pub const PROMPT: &str = "a photo of a ";

/// A text encoder.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    config: ClipTextConfig,
    model: ClipTextTransformer,
    projection: Tensor,
    device: Device,
    /// SHA-256 of its weights.
    pub sha256: String,
}

/// `config.json`; what it leaves out is as transformers has it.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    text_config: TextConfig,
    projection_dim: usize,
}

#[derive(Deserialize)]
#[serde(default)]
struct TextConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            text_config: TextConfig::default(),
            projection_dim: 512,
        }
    }
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2_048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
        }
    }
}

/// The configuration in a folder, so that what is wrong with it is told before anything is trained.
///
/// # Errors
/// [`Error::Input`] where the folder lacks a file, or is of another model.
pub fn check(folder: &Path) -> Result<()> {
    for file in ["model.safetensors", "tokenizer.json"] {
        if !folder.join(file).is_file() {
            return Err(Error::input(format!(
                "`measure.clip` needs {}: a CLIP in the layout of the Hugging Face hub has config.json, \
                 tokenizer.json and model.safetensors",
                folder.join(file).display()
            )));
        }
    }
    config(folder).map(drop)
}

fn config(folder: &Path) -> Result<ClipTextConfig> {
    let path = folder.join("config.json");
    let wrong = |why: &str| Error::input(format!("{} is of no CLIP: {why}", path.display()));
    let value: serde_json::Value =
        serde_json::from_slice(&files::read(&path)?).map_err(|e| wrong(&e.to_string()))?;
    if value["model_type"] != "clip" {
        return Err(wrong("its model_type is another"));
    }
    let config: Config = serde_json::from_value(value).map_err(|e| wrong(&e.to_string()))?;
    let text = config.text_config;
    if text.hidden_act != "quick_gelu" {
        return Err(wrong(&format!(
            "its hidden_act is {}, where only OpenAI's quick_gelu is known",
            text.hidden_act
        )));
    }
    if text.num_attention_heads == 0 || !text.hidden_size.is_multiple_of(text.num_attention_heads) {
        return Err(wrong("its heads do not divide its hidden_size"));
    }
    Ok(ClipTextConfig {
        vocab_size: text.vocab_size,
        embed_dim: text.hidden_size,
        activation: Activation::QuickGelu,
        intermediate_size: text.intermediate_size,
        max_position_embeddings: text.max_position_embeddings,
        pad_with: None,
        num_hidden_layers: text.num_hidden_layers,
        num_attention_heads: text.num_attention_heads,
        projection_dim: config.projection_dim,
    })
}

impl TextEncoder {
    /// Opens a checkpoint: `config.json`, `tokenizer.json`, `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Input`] where something of it is missing or does not fit.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        check(folder)?;
        let config = config(folder)?;
        let damaged = |file: &str, why: String| {
            Error::input(format!("{} is damaged: {why}", folder.join(file).display()))
        };
        let tokenizer = Tokenizer::from_bytes(files::read(&folder.join("tokenizer.json"))?)
            .map_err(|e| damaged("tokenizer.json", e.to_string()))?;
        let bytes = files::read(&folder.join("model.safetensors"))?;
        let sha256 = files::sha256(&bytes);
        let lacks = |e: candle_core::Error| damaged("model.safetensors", e.to_string());
        let weights =
            VarBuilder::from_buffered_safetensors(bytes, DType::F32, device).map_err(lacks)?;
        let shape = (config.projection_dim, config.embed_dim);
        Ok(Self {
            tokenizer,
            model: ClipTextTransformer::new(weights.pp("text_model"), &config).map_err(lacks)?,
            projection: weights
                .pp("text_projection")
                .get(shape, "weight")
                .map_err(lacks)?,
            config,
            device: device.clone(),
            sha256,
        })
    }

    /// The numbers of a text's tokens, begin and end included; cut off where the model's positions end.
    fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let encoded = self.tokenizer.encode(text, true);
        let encoded = encoded.map_err(|e| Error::input(format!("{text:?} has no tokens: {e}")))?;
        let mut tokens = encoded.get_ids().to_vec();
        let most = self.config.max_position_embeddings;
        if let (true, Some(&end)) = (tokens.len() > most, tokens.last()) {
            tokens.truncate(most);
            if let Some(last) = tokens.last_mut() {
                *last = end;
            }
        }
        Ok(tokens)
    }

    /// The embedding of a text, `[projection_dim]`.
    ///
    /// # Errors
    /// [`Error::Input`] for a text that the tokenizer refuses.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>> {
        let tokens = self.tokens(text)?;
        let ids = Tensor::from_vec(tokens.clone(), (1, tokens.len()), &self.device)?;
        let pooled = self.model.forward(&ids)?;
        Ok(pooled
            .matmul(&self.projection.t()?)?
            .squeeze(0)?
            .to_vec1()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fixture() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip")
    }

    #[derive(Deserialize)]
    struct Text {
        text: String,
        ids: Vec<u32>,
        embedding: Vec<f32>,
    }

    #[test]
    fn tokens_and_embeddings_are_those_of_transformers() {
        let encoder = TextEncoder::open(&fixture(), &Device::Cpu).unwrap();
        let texts: Vec<Text> =
            serde_json::from_slice(&fs::read(fixture().join("io.json")).unwrap()).unwrap();
        assert!(texts.len() > 4);
        for text in texts {
            assert_eq!(
                encoder.tokens(&text.text).unwrap(),
                text.ids,
                "{}",
                text.text
            );
            let embedding = encoder.embed(&text.text).unwrap();
            assert_eq!(embedding.len(), text.embedding.len());
            for (got, wanted) in embedding.iter().zip(&text.embedding) {
                assert!(
                    (got - wanted).abs() < 1e-4 * wanted.abs().max(1.0),
                    "{}",
                    text.text
                );
            }
        }
    }

    #[test]
    fn a_text_longer_than_the_model_ends_all_the_same() {
        let encoder = TextEncoder::open(&fixture(), &Device::Cpu).unwrap();
        let tokens = encoder.tokens(&"car ".repeat(60)).unwrap();
        assert_eq!((tokens.len(), tokens[39]), (40, 521));
        assert!(
            encoder
                .embed(&"car ".repeat(60))
                .unwrap()
                .iter()
                .all(|x| x.is_finite())
        );
    }

    #[test]
    fn another_folder_is_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let refused = || match check(dir.path()).unwrap_err() {
            Error::Input(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(refused().contains("model.safetensors"));
        for file in ["model.safetensors", "tokenizer.json", "config.json"] {
            fs::copy(fixture().join(file), dir.path().join(file)).unwrap();
        }
        check(dir.path()).unwrap();
        let config = fs::read_to_string(fixture().join("config.json")).unwrap();
        for (from, to, why) in [
            (
                "\"model_type\": \"clip\"",
                "\"model_type\": \"bert\"",
                "model_type",
            ),
            ("quick_gelu", "gelu", "hidden_act is gelu"),
            (
                "\"num_attention_heads\": 3",
                "\"num_attention_heads\": 5",
                "do not divide",
            ),
        ] {
            fs::write(dir.path().join("config.json"), config.replace(from, to)).unwrap();
            assert!(refused().contains(why), "{}", refused());
        }
        fs::write(dir.path().join("config.json"), &config).unwrap();
        fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
        let damaged = TextEncoder::open(dir.path(), &Device::Cpu).err().unwrap();
        assert!(
            matches!(damaged, Error::Input(text) if text.contains("tokenizer.json is damaged"))
        );
        fs::copy(
            fixture().join("tokenizer.json"),
            dir.path().join("tokenizer.json"),
        )
        .unwrap();
        fs::write(dir.path().join("model.safetensors"), "no tensors").unwrap();
        let damaged = TextEncoder::open(dir.path(), &Device::Cpu).err().unwrap();
        assert!(matches!(damaged, Error::Input(text) if text.contains("safetensors is damaged")));
    }
}
