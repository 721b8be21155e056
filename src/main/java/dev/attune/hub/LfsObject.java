package dev.attune.hub;

/**
 * A large file as the hub's store knows it.
 *
 * @param sha256 of all of it, which is its name there
 */
record LfsObject(PushFile file, String sha256) {}
