/** ALBERT. */
package dev.attune.model.albert;
