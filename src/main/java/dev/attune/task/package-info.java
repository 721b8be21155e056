/** What models are trained for. Imports rooms up to {@code metrics}. */
package dev.attune.task;
