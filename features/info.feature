@reads
Feature: Asking a module what it is

  Scenario: The flasher tells what the module is
    Given a healthy XT-ZB2 in programming mode
    When I ask the module what it is
    Then the flasher succeeds
    And it is a BL702 with the module's own chip id
    And its flash is "c2 20 14" and has 1 MiB
    And no fuse was burnt

  Scenario: Asking twice in a row works, because the module is left as it was found
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I ask the module what it is
    And I ask the module what it is
    Then the flasher succeeds
    And the flash is as it was

  Scenario: Without a RAM loader the boot ROM still tells who it is
    Given a healthy XT-ZB2 in programming mode
    And a flasher without a RAM loader image
    When I ask the module what it is
    Then it is a BL702 with the module's own chip id
    And its flash was not looked at, because "no RAM loader image"

  Scenario Outline: A board of the kind <board> has other flash
    Given a healthy board of the kind "<board>" in programming mode
    When I ask the module what it is
    Then its flash is "<id>" and has <size>

    Examples:
      | board            | id       | size    |
      | bl702-512k-kh    | c2 20 13 | 512 KiB |
      | bl702-1m-gd      | c8 40 14 | 1 MiB   |
      | bl702-1m-winbond | ef 40 14 | 1 MiB   |
      | bl702-1m-xt      | 0b 40 14 | 1 MiB   |
      | bl702-2m         | ef 40 15 | 2 MiB   |
