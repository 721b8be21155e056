/**
 * A model folder is one thing: a model or an adapter, with its tokenizer, label names, generation
 * settings and attune.json. This room reads, checks and writes it, and replaces it as a whole.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>Three kinds.</b> A base model and a fine-tuned one are the same to read: config.json and
 *       weights; whether its head is trained, its architecture says. An adapter (PEFT) adds
 *       adapter_config.json and borrows config.json and weights from its base.
 *   <li><b>What a folder says wins over what data says.</b> A head that is kept keeps the names of
 *       its outputs ({@link dev.attune.folder.HeadChoice}).
 *   <li><b>Every key of adapter_config.json is used, known to be harmless, or refused by name.</b>
 *       An unknown one that asks for nothing (null, false, empty) passes.
 *   <li><b>Every tensor of an adapter has a place or is refused by name</b> ({@link
 *       dev.attune.folder.SavedAdapter}); what an initialisation took out of the base is taken out
 *       again whenever it is loaded ({@link dev.attune.folder.AdapterStart}), as in PEFT.
 *   <li><b>A model is replaced as a whole</b> ({@link dev.attune.folder.ModelInstall}): its files
 *       are known by name, all others are the user's. Killed at any instant, a folder holds the old
 *       model or the new one; readers finish what was cut off.
 *   <li><b>One writer at a time</b> ({@link dev.attune.folder.FolderLock}).
 *   <li>What a folder's model can do, its task, is not known here: this room states what the files
 *       say.
 * </ul>
 */
package dev.attune.folder;
