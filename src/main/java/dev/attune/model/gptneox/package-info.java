/** GPT-NeoX. */
package dev.attune.model.gptneox;
