package dev.attune.server.inference;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.generate.GeneratedText;
import java.util.List;

/** How many tokens a request was, as OpenAI has it. */
final class Usage {
  private Usage() {}

  /** Of prompts and the texts that were made of them. */
  static ObjectNode of(long promptTokens, List<GeneratedText> texts) {
    long made = texts.stream().mapToLong(GeneratedText::tokens).sum();
    ObjectNode usage = of(promptTokens);
    usage.put("completion_tokens", made);
    usage.put("total_tokens", promptTokens + made);
    return usage;
  }

  /** Of what is only read. */
  static ObjectNode of(long promptTokens) {
    ObjectNode usage = JsonNodeFactory.instance.objectNode();
    usage.put("prompt_tokens", promptTokens);
    usage.put("total_tokens", promptTokens);
    return usage;
  }
}
