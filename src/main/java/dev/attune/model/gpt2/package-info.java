/** GPT-2. */
package dev.attune.model.gpt2;
