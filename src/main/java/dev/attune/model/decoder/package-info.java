/**
 * Decoders: what GPT-2, GPT-NeoX, Llama, Mistral and Qwen have in common. A family is a {@link
 * dev.attune.model.decoder.DecoderConfig} read from its config.json and a {@link
 * dev.attune.model.decoder.DecoderNames}.
 */
package dev.attune.model.decoder;
