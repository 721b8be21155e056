package dev.attune;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The house's floor plan: a room imports only rooms named before it. */
class RoomsTest {
  private static final List<String> ROOMS =
      List.of(
          "core",
          "jinja",
          "text",
          "data",
          "memory",
          "batch",
          "kernels",
          "tape",
          "store",
          "ops",
          "model",
          "optim",
          "weights",
          "hub",
          "metrics",
          "folder",
          "task",
          "checkpoint",
          "generate",
          "train",
          "run",
          "bench",
          "cli");

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("dev.attune");

  @Test
  void aRoomImportsOnlyRoomsBelowIt() {
    for (int room = 0; room < ROOMS.size(); room++) {
      String[] above =
          ROOMS.subList(room + 1, ROOMS.size()).stream()
              .map(name -> "dev.attune." + name + "..")
              .toArray(String[]::new);
      if (above.length > 0) {
        noClasses()
            .that()
            .resideInAPackage("dev.attune." + ROOMS.get(room) + "..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(above)
            .check(CLASSES);
      }
    }
  }

  @Test
  void thePublicPackageStandsAboveRunAndBelowTheFaces() {
    noClasses()
        .that()
        .resideInAPackage("dev.attune.(**)")
        .and()
        .resideOutsideOfPackage("dev.attune.cli..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.attune")
        .check(CLASSES);
    noClasses()
        .that()
        .resideInAPackage("dev.attune")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.attune.cli..", "dev.attune.bench..")
        .check(CLASSES);
  }

  @Test
  void theDataWingAndTheComputeWingMeetOnlyInTraining() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "dev.attune.kernels..",
            "dev.attune.tape..",
            "dev.attune.store..",
            "dev.attune.ops..",
            "dev.attune.model..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.attune.jinja..", "dev.attune.text..", "dev.attune.data..", "dev.attune.batch..")
        .check(CLASSES);
  }

  @Test
  void onlyKernelPackagesDeclareNatives() {
    com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods()
        .that()
        .areDeclaredInClassesThat()
        .resideOutsideOfPackage("dev.attune.kernels..")
        .should()
        .haveModifier(com.tngtech.archunit.core.domain.JavaModifier.NATIVE)
        .check(CLASSES);
  }
}
