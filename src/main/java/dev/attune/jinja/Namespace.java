package dev.attune.jinja;

import java.util.Map;

/** {@code namespace(...)}: the only thing whose fields a template can set. */
record Namespace(Map<String, Object> fields) {}
