/** Files to examples, splits and the data report. */
package dev.attune.data;
