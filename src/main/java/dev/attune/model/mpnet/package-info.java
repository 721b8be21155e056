/** MPNet. */
package dev.attune.model.mpnet;
