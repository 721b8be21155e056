/**
 * The Jinja of chat templates: what Transformers' {@code apply_chat_template} renders with, that is
 * jinja2 in its immutable sandbox with {@code trim_blocks}, {@code lstrip_blocks}, loop controls
 * and the {@code generation} block.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>Our own interpreter, for measured reasons.</b> A chat template is a tokenizer's other
 *       half: one wrong space trains a model on prompts that it will never see. HubSpot's jinjava
 *       2.8.3, the one well-kept Java implementation, rendered 698 of 2268 cases (63 templates in
 *       use, 36 conversations) as Transformers does; most others came out differently without an
 *       error: indentation before blocks stays, slices and Python's string methods are missing,
 *       {@code namespace} takes one keyword, and text of a message that looks like a template is
 *       itself executed. What would have to be replaced is its lexer, its expression language and
 *       its values; and it brings 8 MB of further JARs.
 *   <li><b>Python's values, not Java's.</b> Strings are counted in code points, {@code 1 == 1.0 ==
 *       true}, {@code str} and {@code repr} and JSON are printed as Python prints them.
 *   <li><b>Nothing to escape to.</b> Values are strings, numbers, lists, maps and the functions of
 *       this package; no Java method or class can be named. Steps, output, nesting and ranges are
 *       bounded, and so is the work that hides in one step (comparing, searching, copying,
 *       sorting): a template ends within a second or two, in 600 MB at most, whatever it asks for.
 *   <li><b>What we do not have is an error</b> ({@code include}, {@code import}, {@code call},
 *       {@code extends}, recursive loops, filters that no chat template uses), never silently other
 *       text.
 * </ul>
 */
package dev.attune.jinja;
