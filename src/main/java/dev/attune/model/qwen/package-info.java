/** Qwen2 and Qwen3. */
package dev.attune.model.qwen;
