/**
 * Text to token ids. Imports only {@code core}.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>The tokenizers are Hugging Face's own (Rust), through the natives inside DJL's tokenizers
 *       JAR. We use its JNI class only. DJL's {@code HuggingFaceTokenizer} is left out because it
 *       overrides the padding and truncation of {@code tokenizer.json}, builds a Java string and an
 *       object per token (about a quarter slower a text on SST-2, and its batch call does that on
 *       one thread), and reports its use over the network unless told not to. DJL's loader is left
 *       out because it probes CUDA when it starts and, on a machine with a GPU, downloads another
 *       build of the library. We load the CPU build by {@link dev.attune.core.NativeLoader}, as our
 *       kernels; {@code ATTUNE_TOKENIZERS_LIBRARY} names another file.
 *   <li>One native call encodes one text, on threads of ours. The batch calls of the JNI class end
 *       the process when a text cannot be encoded; the single call throws. Threads are ours to
 *       bound, and progress can be reported.
 *   <li>A tokenizer that parts texts at spaces whatever stands there ({@link PieceRules} says which
 *       do) is asked for a piece once: most words of a text were in texts before, and their tokens
 *       are kept. That takes about a third of the time. The first few hundred texts go to the
 *       library whole, so that a single text pays nothing for it.
 *   <li>Padding and truncation of {@code tokenizer.json} are switched off. Truncation is done here,
 *       equal to Transformers' {@code truncation=True}, and every dropped token is counted.
 *   <li>Words that are already split, with a byte-level tokenizer that adds no space itself (GPT-2,
 *       RoBERTa, Qwen): every word gets a leading space. For GPT-2 and RoBERTa this is
 *       Transformers' {@code add_prefix_space=True}, without which Transformers refuses such input.
 *   <li>Chat templates are rendered by {@link dev.attune.jinja}, which says why it is our own.
 *       Where a template does not mark the assistant's turns itself, they are found by rendering
 *       the turns before each and up to it; every step is checked, and a template that gives no
 *       sure answer is refused.
 *   <li>Offsets count code points, as Hugging Face's do.
 * </ul>
 */
package dev.attune.text;
